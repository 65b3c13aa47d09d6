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
///     chat [HOST:PORT]
///
/// Each client has a task that reads and one that writes, all of them on one thread. Reading waits for nobody else: what
/// can't be delivered yet is kept for each client, up to a limit, and one that doesn't keep up is shown the door. On SIGINT
/// or SIGTERM the chat ends, and each client gets what was said before.
@main
struct Chat {
  /// How long a line may be, in bytes.
  static let longestLine = 4096
  /// How long clients may take to read the last lines.
  static let farewell = Duration.seconds(5)

  /// What the one who runs the chat should know of: that nobody more can join, for want of descriptors.
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
    fflush(nil)  // in a pipe, too

    async let serving: Void = listener.serve(maximumConnections: 1000, serve)
    for await _ in signals { break }
    listener.close()
    room.end()
    await listener.shutDown(within: Self.farewell)
    await serving
  }

  /// Serves one client, to its end or the chat's.
  func serve(_ client: Connection) async throws {
    let lines = room.admit(client)
    defer { room.dismiss(client) }
    try await withThrowingTaskGroup { tasks in
      tasks.addTask { try await deliver(lines, to: client) }
      tasks.addTask { try await listen(to: client) }
      // Whichever ends first: a client that has left is written nothing more, one that can't be written to isn't read.
      try await tasks.next()
      tasks.cancelAll()
    }
  }

  func listen(to client: Connection) async throws {
    for try await line in client.lines(limit: Self.longestLine) {
      room.say("\(client.name): \(line)\n", from: client)
    }
  }

  func deliver(_ lines: AsyncStream<String>, to client: Connection) async throws {
    try await client.write("you are \(client.name)\n")
    for await line in lines { try await client.write(line) }
  }
}

extension Connection {
  fileprivate var name: String { peerAddress.map(String.init(describing:)) ?? "somebody" }
}

// MARK: - The command line

extension Chat {
  /// Serves at the address in the only argument, or at the tutorial's, until a signal comes.
  static func main() async {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.count <= 1, arguments.first?.hasPrefix("-") != true else {
      fail("usage: chat [HOST:PORT]", status: EX_USAGE)
    }
    do {
      try await Chat().run(at: HostPort(arguments.first ?? "127.0.0.1:9999"))
    } catch {
      let isUsage = (error as? MultiplexError)?.reason == .unknownAddress
      fail("\(error)", status: isUsage ? EX_USAGE : EX_UNAVAILABLE)
    }
  }

  private static func fail(_ reason: String, status: Int32) -> Never {
    _ = try? FileDescriptor.standardError.writeAll("chat: \(reason)\n".utf8)
    exit(status)
  }
}
