import Logging
import Multiplex
import MultiplexAsync
import MultiplexLogging
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A chat with async/await: what one client says, line by line, all the others get.
///
///     multiplex-chat [HOST:PORT]
///
/// Each client has a task that reads its lines, all of them on one thread, and posts them to the others without waiting
/// for them: what a client can't take yet is queued for it, and a client is disconnected when it falls too far behind.
/// On SIGINT or SIGTERM the chat ends, and each client gets what was said before.
@main
struct Chat {
  /// The maximum length of a line, in bytes.
  static let longestLine = 4096
  /// How long clients may take to read the last lines.
  static let farewell = Duration.seconds(5)

  /// The log of problems, such as that nobody else can join because no descriptor is left.
  static let log: Logger = {
    var log = Logger(label: "chat")
    log.logLevel = .warning
    return log
  }()

  let room = Room()

  func run(at host: HostPort) async throws {
    let reactor = try Reactor(observer: LoggingObserver(Self.log))
    let signals = try reactor.signals([SIGINT, SIGTERM])
    let listener = try await Listener.bind(to: host, on: reactor)
    print("listening on", listener.localAddress)
    fflush(nil)  // print buffers if the output is a pipe

    async let serving: Void = listener.serve(maximumConnections: 1000, serve)
    for await _ in signals { break }
    await listener.shutDown(within: Self.farewell, closingIdleAfter: .zero)
    await serving
  }

  /// Serves one client, until it leaves or the chat ends.
  func serve(_ client: Connection) async throws {
    room.admit(client)
    defer { room.dismiss(client) }
    client.post("you are \(client.name)\n")
    for try await line in client.lines(limit: Self.longestLine) {
      room.say("\(client.name): \(line)\n", from: client)
    }
  }
}

extension Connection {
  fileprivate var name: String { peerAddress.map(String.init(describing:)) ?? "somebody" }
}

// MARK: - The command line

extension Chat {
  /// Listens on the address in the only argument, or on the tutorial's, until a signal arrives.
  static func main() async {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.count <= 1, arguments.first?.hasPrefix("-") != true else {
      fail("usage: multiplex-chat [HOST:PORT]", status: EX_USAGE)
    }
    do {
      try await Chat().run(at: HostPort(arguments.first ?? "127.0.0.1:9999"))
    } catch {
      let isUsage = (error as? MultiplexError)?.reason == .unknownAddress
      fail("\(error)", status: isUsage ? EX_USAGE : EX_UNAVAILABLE)
    }
  }

  private static func fail(_ reason: String, status: Int32) -> Never {
    _ = try? FileDescriptor.standardError.writeAll("multiplex-chat: \(reason)\n".utf8)
    exit(status)
  }
}
