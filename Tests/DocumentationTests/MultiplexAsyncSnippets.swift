import Foundation
import Logging
import Logging
import Multiplex
import MultiplexAsync
import MultiplexLogging
import Synchronization
import SystemPackage
import Testing

/// The code in the pages of `MultiplexAsync.docc`, verbatim except for indentation: `DocumentationTests` compares.
///
/// The code of its first page is the README's.
enum MultiplexAsyncSnippets {
  // MARK: A server from start to shutdown

  static func serveUntilSignal() async throws {
    @Sendable
    func answer(_ connection: Connection) async throws {
      connection.setIdleTimeout(.seconds(60))
      while let line = try await connection.readLine(limit: 4096) {
        try await connection.write(line)
      }
    }

    try OpenFileLimit.raise()
    let reactor = try Reactor()
    let signals = try reactor.signals([SIGINT, SIGTERM])
    let listener = try await Listener.bind(to: HostPort("localhost:9999"), on: reactor)

    async let serving: Void = listener.serve(maximumConnections: 10_000, answer)
    for await _ in signals { break }
    let unfinished = await listener.shutDown(within: .seconds(10), closingIdleAfter: .seconds(1))
    await serving
    print("connections that were closed unfinished:", unfinished)
  }

  static func chat(at listener: Listener) async throws {
    let members = Mutex<Set<Connection>>([])
    await listener.serve { connection in
      members.withLock { _ = $0.insert(connection) }
      defer { members.withLock { _ = $0.remove(connection) } }
      for try await line in connection.lines(limit: 4096) {
        for member in members.withLock({ $0 }) where member != connection { member.post(line + "\n") }
      }
    }
  }

  static func listenWithSeveralThreads() async throws -> (SignalSequence, ListenerGroup) {
    let group = try ReactorGroup()
    let signals = try group.next().signals([SIGINT, SIGTERM])
    let listener = try await ListenerGroup.bind(to: "127.0.0.1:9999", on: group)
    return (signals, listener)
  }

  static func log() throws -> Reactor {
    let reactor = try Reactor(observer: LoggingObserver(Logger(label: "server")))
    return reactor
  }

  // MARK: Tasks, threads and the reactor

  static func askInTask(on reactor: Reactor) async throws -> [UInt8]? {
    let task = Task(executorPreference: reactor) {
      let connection = try await Connection.connect(to: "127.0.0.1:9999", on: reactor)
      try await connection.write("hello\n")
      return try await connection.readLine()
    }
    return try await task.value
  }

  static func readFile(_ path: String, on reactor: Reactor) async throws -> String {
    let configuration = try await reactor.offload { try String(contentsOfFile: path, encoding: .utf8) }
    return configuration
  }

  static func countMessages(of listener: Listener, on reactor: Reactor) async {
    actor Statistics {
      private let executor: ReactorExecutor
      private(set) var messages = 0

      init(on reactor: Reactor) { executor = ReactorExecutor(reactor) }

      nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

      func countMessage() { messages += 1 }
    }

    let statistics = Statistics(on: reactor)
    await listener.serveChunks { _ in
      ChunkHandler { chunk, replies in
        statistics.assumeIsolated { $0.countMessage() }
        replies.write(chunk)
      }
    }
  }

  static func sendLog(_ pipe: consuming PipeDescriptors, to connection: Connection, on reactor: Reactor) async throws {
    let log = try await Connection.adopt(reading: pipe.reader, on: reactor)
    for try await line in log.lines() {
      try await connection.write(line + "\n")
    }
  }

  static func sort(on reactor: Reactor) async throws -> [UInt8]? {
    let input = try PipeDescriptors()
    let output = try PipeDescriptors()
    try input.reader.setNonBlocking(false)
    try output.writer.setNonBlocking(false)
    let child = Process()
    child.executableURL = URL(fileURLWithPath: "/usr/bin/sort")
    child.standardInput = FileHandle(fileDescriptor: input.reader.fileDescriptor.rawValue)
    child.standardOutput = FileHandle(fileDescriptor: output.writer.fileDescriptor.rawValue)
    try child.run()
    // The child has copies. While these are open, neither stream would end.
    try input.reader.close()
    try output.writer.close()
    let sorting = try await Connection.adopt(reading: output.reader, writing: input.writer, on: reactor)
    try await sorting.write("b\na\n")
    try await sorting.closeWrite()
    let first = try await sorting.readLine()
    return first
  }

  static func sendKeyboard(to connection: Connection, on reactor: Reactor) async throws {
    let keyboard = FileDescriptor.standardInput
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      _ = try await reactor.readiness(of: keyboard, for: .read)
      let count = try unsafe buffer.withUnsafeMutableBytes { try unsafe keyboard.read(into: $0) }
      guard count > 0 else { break }
      try await connection.write(buffer.prefix(count))
    }
  }

  static func typeErrors(_ connection: Connection, _ listener: Listener) async throws {
    func greet(_ connection: Connection) async {
      do {
        try await connection.write("hello\n")
      } catch {
        print("not greeted:", error.reason)
      }
    }

    func count(_ connection: Connection) async throws(ConnectionError) -> Int {
      try await connection.reactor.run { () async throws(ConnectionError) in
        let line = try await connection.readLine()
        return line?.count ?? 0
      }
    }

    await greet(connection)
    print(try await count(connection))
    await listener.serve { connection in
      do throws(ConnectionError) {
        while let chunk = try await connection.read() { try await connection.write(chunk) }
      } catch {
        if error.reason != .reset { print(error) }
        connection.abort()
      }
    }
  }

  static func limitTime(_ connection: Connection) async throws {
    do {
      let line = try await withTimeout(.seconds(5), on: connection.reactor) { try await connection.readLine() }
      print("received", line?.count ?? 0, "bytes")
    } catch is DeadlineExceeded {
      print("nothing yet; the next read may have it")
    }
  }

  static func testHandler(_ answer: @Sendable (Connection) async throws -> Void) async throws {
    let reactor = try Reactor()
    let (near, far) = try Socket.pair()
    let server = try await Connection.adopt(near, on: reactor)
    let client = try await Connection.adopt(far, on: reactor)

    async let handling: Void = answer(server)
    try await client.write("hello\n")
    #expect(try await client.readLine() == Array("hello\n".utf8))
    try await client.closeWrite()
    try await handling
  }
}
