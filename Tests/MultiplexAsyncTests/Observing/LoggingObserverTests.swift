import Logging
import Multiplex
import MultiplexAsync
import MultiplexLogging
import SystemPackage
import TestSupport
import Testing

@Suite("A logging observer", .timeLimit(.minutes(2)))
struct LoggingObserverTests {
  @Test("a logging observer logs a connection's life with its number and peer", arguments: usableBackends)
  func life(backend: Poller.Backend) async throws {
    let log = RecordingLog(level: .trace)
    let reactor = try Reactor(backend: backend, observer: LoggingObserver(log.logger))
    try await withServer(on: reactor, echo) { listener in
      let client = try Socket.connected(to: listener.localAddress)
      try client.sendAll(Array("hello".utf8))
      try client.shutdown(.writing)
      #expect(await becomesTrue { log.lines.last?.message == "closed" })
      let lines = log.lines
      try #require(
        lines.map { "\($0.level) \($0.message)" } == [
          "info listening", "debug accepted", "trace received", "trace sent", "trace the peer has finished sending",
          "debug closed",
        ])
      #expect(lines.map { $0.metadata["bytes"] } == [nil, nil, "5", "5", nil, nil])
      #expect(lines[0].metadata["listener"] == "\(listener.localAddress)")
      #expect(lines[5].metadata["reason"] == "finished")
      let address = try client.localAddress()
      #expect(lines.dropFirst().allSatisfy { $0.metadata["peer"] == "\(address)" })
      #expect(Set(lines.dropFirst().map { "\($0.metadata["connection"] ?? "none")" }).count == 1)
    }
    #expect(log.lines.last?.message == "stopped listening")
  }

  @Test("a logging observer logs how many bytes wait for a slow peer", arguments: usableBackends)
  func queued(backend: Poller.Backend) async throws {
    let log = RecordingLog(level: .trace)
    let reactor = try Reactor(backend: backend, observer: LoggingObserver(log.logger))
    let peer = try await slowPeer(sent: 1_000_000, on: reactor)
    let sent = log.lines.filter { $0.message == "sent" }.compactMap { $0.metadata["bytes"].flatMap { Int("\($0)") } }
    let queued = log.lines.last { $0.message == "queued" }?.metadata["queued"]
    #expect(queued == "\(1_000_000 - sent.reduce(0, +))")
    peer.connection.abort()
  }

  @Test("a logging observer logs at a higher level that a handler has thrown")
  func thrown() async throws {
    struct OutOfTea: Error, CustomStringConvertible { let description = "no tea" }
    let log = RecordingLog(level: .notice)
    let reactor = try Reactor(observer: LoggingObserver(log.logger))
    try await withServer(on: reactor) { _ in
      throw OutOfTea()
    } while: { listener in
      let client = try Socket.connected(to: listener.localAddress)
      #expect(await becomesTrue { log.lines.count == 1 })
      #expect(log.lines.first?.level == .notice)
      #expect(log.lines.first?.metadata["reason"] == "no tea")
      client.close()
    }
  }

  @Test("a logging observer logs how many bytes were lost with a connection")
  func unsent() async throws {
    let log = RecordingLog(level: .debug)
    let peer = try await slowPeer(sent: 1_000_000, on: try Reactor(observer: LoggingObserver(log.logger)))
    peer.connection.abort()
    #expect(await becomesTrue { log.lines.last?.message == "closed" })
    let unsent = try #require(log.lines.last?.metadata["unsent"].flatMap { Int("\($0)") })
    #expect(unsent > 0 && unsent < 1_000_000)
  }

  @Test("a logging observer logs in words why a connection couldn't be made")
  func connectFailure() async throws {
    let log = RecordingLog(level: .debug)
    let reactor = try Reactor(observer: LoggingObserver(log.logger))
    let unused = try UnusedAddress()
    await #expect(throws: ConnectionError.self) { try await Connection.connect(to: unused.address, on: reactor) }
    #expect(await becomesTrue { log.lines.map(\.message) == ["can't connect"] })
    #expect(log.lines.first?.metadata["peer"] == "\(unused.address)")
    #expect(log.lines.first?.metadata["reason"] == "connection refused")
    withExtendedLifetime(unused) {}
  }

  @Test("a logging observer warns of failing accepts once in ten seconds, not each time")
  func acceptFailures() {
    let log = RecordingLog(level: .warning)
    let observer = LoggingObserver(log.logger)
    let listener = ObservedListener(descriptor: .standardInput, localAddress: .ipv4(.loopback, port: 1))
    for _ in 0..<100 {
      observer.acceptFailed(listener, because: MultiplexError(call: "accept4", errno: .tooManyOpenFiles))
    }
    #expect(log.lines.map(\.level) == [.warning])
    #expect(log.lines.first.map { "\($0.metadata["reason"] ?? "")".contains("accept4") } == true)
  }

  @Test("a logging observer reports failing waits as errors, once in ten seconds")
  func waitFailures() {
    let log = RecordingLog(level: .error)
    let observer = LoggingObserver(log.logger)
    for _ in 0..<100 { observer.waitFailed(because: MultiplexError(call: "ppoll", errno: .invalidArgument)) }
    #expect(log.lines.map(\.level) == [.error])
    #expect(log.lines.first.map { "\($0.metadata["reason"] ?? "")".contains("ppoll") } == true)
  }

  @Test(
    "a logging observer requests no events that the logger's level leaves out",
    arguments: [
      (.trace, [.failures, .listeners, .connections, .transfers]), (.debug, [.failures, .listeners, .connections]),
      (.notice, [.failures, .listeners, .connections]), (.warning, [.failures, .listeners]), (.error, .failures),
      (.critical, []),
    ] as [(Logger.Level, ReactorEvents)])
  func levels(level: Logger.Level, events: ReactorEvents) {
    #expect(LoggingObserver(RecordingLog(level: level).logger).events == events)
  }
}

/// Keeps what is logged.
private struct RecordingLog: LogHandler {
  struct Line: Sendable {
    let level: Logger.Level
    let message: String
    let metadata: Logger.Metadata
  }

  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  private let recorder = Recorder<Line>()

  init(level: Logger.Level) {
    logLevel = level
  }

  var lines: [Line] { recorder.elements }
  var logger: Logger { Logger(label: "test") { _ in self } }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    recorder.add(Line(level: event.level, message: "\(event.message)", metadata: event.metadata ?? [:]))
  }
}
