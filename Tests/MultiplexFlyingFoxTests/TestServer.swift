#if FlyingFox
  import FlyingFox
  import FlyingSocks
  import Foundation
  import Multiplex
  import MultiplexAsync
  import MultiplexFlyingFox
  import TestSupport
  import Testing

  /// An HTTP server with a few routes: /hello, /echo, and /slow, which answers when told to.
  struct TestServer {
    let server: HTTPServer
    let address: Multiplex.SocketAddress
    let slow = SlowAnswer()

    fileprivate init(on reactor: Reactor, running: (HTTPServer) -> Void) async throws {
      server = HTTPServer(address: try .inet(ip4: "127.0.0.1", port: 0), pool: .reactor(reactor), logger: .disabled)
      await server.appendRoute("/hello") { _ in HTTPResponse(statusCode: .ok) }
      await server.appendRoute("POST /echo") { request in
        HTTPResponse(statusCode: .ok, body: try await request.bodyData)
      }
      await server.appendRoute("/slow") { [slow] _ in
        await slow.answer()
        return HTTPResponse(statusCode: .ok, body: Data("finished".utf8))
      }
      running(server)
      try await server.waitUntilListening(timeout: 60)
      guard case .ip4(_, let port) = await server.listeningAddress else { throw NotListening() }
      address = .ipv4(.loopback, port: port)
    }

    /// Runs a Python program that has `http.client` and `port`, and returns what it prints.
    func ask(_ program: String) async throws -> String {
      guard let port = address.port else { throw NotListening() }
      let client = SecondParty { try Python.run("import http.client\nport = \(port)\n" + program) }
      // FlyingFox uses the pool's few threads too, so none may be blocked.
      guard await becomesTrue({ client.isDone }) else { throw NoAnswer() }
      return try client.join()
    }

    private struct NotListening: Error {}
    private struct NoAnswer: Error {}
  }

  /// Serves on loopback while the body runs, then ends the server.
  func withHTTPServer(on reactor: Reactor, while body: (TestServer) async throws -> Void) async throws {
    var running: Task<Void, any Error>?
    let server = try await TestServer(on: reactor) { server in running = Task { try await server.run() } }
    let outcome: Result<Void, any Error>
    do {
      outcome = .success(try await body(server))
    } catch {
      outcome = .failure(error)
    }
    running?.cancel()
    _ = await running?.result
    try outcome.get()
  }

  /// A response that is sent when the test says so.
  final class SlowAnswer: Sendable {
    /// Returns when somebody has asked.
    let begun: Task<Void, Never>
    private let hasBegun: AsyncStream<Never>.Continuation
    private let ended: Task<Void, Never>
    private let hasEnded: AsyncStream<Never>.Continuation

    init() {
      let (begin, hasBegun) = AsyncStream<Never>.makeStream()
      let (end, hasEnded) = AsyncStream<Never>.makeStream()
      self.hasBegun = hasBegun
      self.hasEnded = hasEnded
      begun = Task { for await _ in begin {} }
      ended = Task { for await _ in end {} }
    }

    func answer() async {
      hasBegun.finish()
      await ended.value
    }

    func end() { hasEnded.finish() }
  }
#endif
