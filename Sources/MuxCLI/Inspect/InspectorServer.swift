// The only file that needs FlyingFox, and thus the package trait of that name.
#if FlyingFox
  import FlyingFox
  import FlyingSocks
  import Foundation
  import Multiplex
  import MultiplexAsync
  import MultiplexFlyingFox
  import SystemPackage

  #if canImport(Glibc)
    import Glibc
  #elseif canImport(Musl)
    import Musl
  #endif

  /// Serves the inspector over HTTP.
  final class InspectorServer: Sendable {
    typealias Answering = @Sendable (InspectorRequest) -> InspectorAnswer

    /// How long to wait after a failure before listening again.
    private static let pause = Duration.seconds(1)
    /// The time limit for starting to listen, in seconds. It is reached only if the machine is stuck.
    private static let startLimit = 60.0

    /// Where it listens.
    let address: Multiplex.SocketAddress
    private let running: Task<Void, Never>

    /// Listens at the first address of a host that this machine has.
    ///
    /// - Parameters:
    ///   - host: Port 0 lets the kernel choose.
    ///   - reactor: Waits for the sockets.
    ///   - answer: Answers a request, on any thread.
    /// - Throws: `MultiplexError` if the address can't be used.
    static func start(
      at host: HostPort, on reactor: Reactor, _ answer: @escaping Answering
    ) async throws -> InspectorServer {
      let wanted = try await usableAddress(of: host, on: reactor)
      let (address, first) = try await listen(at: wanted, on: reactor, answer)
      return InspectorServer(first, at: address, on: reactor, answer)
    }

    private init(
      _ first: Task<Void, any Error>, at address: Multiplex.SocketAddress, on reactor: Reactor,
      _ answer: @escaping Answering
    ) {
      self.address = address
      running = Task {
        let warning = RateLimitedWarning()
        var server = first
        while true {
          let error = await Self.end(of: server)
          // FlyingFox gives up if it can't accept a connection, such as when descriptors are lacking.
          if !Task.isCancelled { warning.warn { _ in "the inspector at \(address) is interrupted: \(error)" } }
          guard let next = await Self.listenAgain(at: address, on: reactor, answer) else { return }
          server = next
        }
      }
    }

    /// Stops listening, and closes all connections at once.
    func stop() async {
      running.cancel()
      await running.value
    }
  }

  // MARK: - FlyingFox's server

  extension InspectorServer {
    /// Starts a server.
    ///
    /// - Returns: The address with the actual port, and the task that serves until it is cancelled.
    private static func listen(
      at address: Multiplex.SocketAddress, on reactor: Reactor, _ answer: @escaping Answering
    ) async throws -> (Multiplex.SocketAddress, Task<Void, any Error>) {
      let server = HTTPServer(
        address: try address.asFlyingSocks, pool: .reactor(reactor), logger: .disabled,
        handler: ClosureHTTPHandler { respond(to: $0, answer) })
      let running = Task { try await server.run() }
      let listening = Task { try await server.waitUntilListening(timeout: startLimit) }
      // A server that can't listen would be waited for in vain.
      let watching = Task {
        _ = await running.result
        listening.cancel()
      }
      do {
        try await listening.value
      } catch {
        running.cancel()
        await watching.value
        throw reason(of: await end(of: running), at: address)
      }
      return (address.with(port: await server.listeningAddress?.port ?? 0), running)
    }

    /// Listens again, as soon as that is possible.
    ///
    /// - Returns: The task that serves; nil if the calling task is cancelled.
    private static func listenAgain(
      at address: Multiplex.SocketAddress, on reactor: Reactor, _ answer: @escaping Answering
    ) async -> Task<Void, any Error>? {
      while (try? await reactor.sleep(for: pause)) != nil {
        if let (_, server) = try? await listen(at: address, on: reactor, answer) { return server }
      }
      return nil
    }

    /// Waits until a server has ended, and returns why. If the calling task is cancelled, it ends at once.
    private static func end(of server: Task<Void, any Error>) async -> any Error {
      let result = await withTaskCancellationHandler {
        await server.result
      } onCancel: {
        server.cancel()
      }
      return if case .failure(let error) = result { error } else { CancellationError() }
    }

    private static func respond(to request: HTTPRequest, _ answer: Answering) -> HTTPResponse {
      let answer = answer(
        InspectorRequest(method: request.method.rawValue, path: request.path, host: request.headers[.host]))
      var response = HTTPResponse(statusCode: answer.status.code)
      for (name, value) in answer.headers { response.headers[HTTPHeader(name)] = value }
      let body = Data(answer.body.utf8)
      if request.method == .HEAD {
        response.headers[.contentLength] = "\(body.count)"
      } else {
        response.payload = .httpBody(HTTPBodySequence(data: body))
      }
      return response
    }
  }

  // MARK: - Addresses and errors

  extension InspectorServer {
    /// Returns the first address of a host that this machine has. If it has none of them, the last one's error says so.
    private static func usableAddress(of host: HostPort, on reactor: Reactor) async throws -> Multiplex.SocketAddress {
      let addresses = try await host.resolve(for: .listening, on: reactor)
      return addresses.dropLast().first { (try? Multiplex.Socket.listening(on: $0.with(port: 0))) != nil }
        ?? addresses[addresses.count - 1]
    }

    /// The error that listening elsewhere has for the same reason.
    private static func reason(of error: any Error, at address: Multiplex.SocketAddress) -> any Error {
      guard case .failed(let step, let errno, _) = error as? SocketError else { return error }
      let call = ["CreateSocket": "socket", "SetOption": "setsockopt"][step] ?? step.lowercased()
      return MultiplexError(call: call, subject: address.description, errno: Errno(rawValue: errno))
    }
  }

  extension Multiplex.SocketAddress {
    fileprivate var asFlyingSocks: any FlyingSocks.SocketAddress {
      get throws {
        switch self {
        case .ipv4(let address, let port): return try sockaddr_in.inet(ip4: "\(address)", port: port)
        case .ipv6(let address, let port, let scope):
          var result = try sockaddr_in6.inet6(ip6: "\(address)", port: port)
          result.sin6_scope_id = scope
          return result
        case .unix(let path): return sockaddr_un.unix(path: path)
        }
      }
    }
  }

  extension FlyingSocks.Socket.Address {
    fileprivate var port: UInt16? {
      switch self {
      case .ip4(_, let port), .ip6(_, let port): port
      case .unix: nil
      }
    }
  }

  extension InspectorAnswer.Status {
    fileprivate var code: HTTPStatusCode {
      switch self {
      case .ok: .ok
      case .foreign: .forbidden
      case .notFound: .notFound
      case .notAllowed: .methodNotAllowed
      case .failed: .internalServerError
      }
    }
  }
#else
  import Multiplex
  import MultiplexAsync

  /// The server that a tool built without FlyingFox doesn't have.
  struct InspectorServer {
    let address: SocketAddress

    /// Says how to build a tool that has it.
    static func start(
      at host: HostPort, on reactor: Reactor, _ answer: @escaping @Sendable (InspectorRequest) -> InspectorAnswer
    ) async throws -> InspectorServer {
      throw Failure(
        """
        this mux was built without the inspector; build it with the package trait FlyingFox: \
        swift run -c release --traits FlyingFox mux serve --inspect \(host)
        """, .unavailable)
    }

    func stop() async {}
  }
#endif
