import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One conversation with a server: waits for the keyboard and the connection at the same time.
final class ConnectSession: Sendable {
  /// What has ended.
  private enum Ending {
    case keyboard, server
    /// The wait for input that comes late.
    case patience
  }

  /// How long a pipe may have nothing once the server has finished. One that has closed the connection altogether looks the
  /// same as one that goes on reading, until something is sent.
  private static let patience = 2.0
  /// How often a connection on which the server has finished is asked whether it was reset since.
  private static let lookInterval = Duration.milliseconds(100)

  private let connection: Connection
  private let keyboard = Keyboard()
  private let isTyped = isatty(STDIN_FILENO) == 1
  private let prompts = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
  private let inputHasEnded = Atomic(false)
  private let hasSent = Atomic(false)
  /// Since when there is no input; nil while some is being sent.
  private let waitingSince = Mutex<ContinuousClock.Instant?>(nil)

  init(_ connection: Connection) {
    self.connection = connection
  }

  /// - Throws: Why the connection was lost, or what is wrong with the standard streams.
  func run() async throws {
    try prompt()
    try await converse()
    let unsent = await connection.queuedCount
    guard unsent == 0 else {
      throw Failure(
        "the server closed before receiving everything: \(Quantity.counted(unsent, "byte")) lost", .ioError)
    }
    // The last bytes may have been refused after the kernel had taken them.
    if hasSent.load(ordering: .relaxed), await isBroken { throw breakage }
    if isTyped, !hasEnded { Console.complain("the server closed the connection") }
  }

  /// Until both sides have finished. Input from a file or a pipe goes on being sent to a server that has finished before;
  /// who types is told that it has.
  private func converse() async throws {
    let reactor = connection.reactor
    try await withThrowingTaskGroup(of: Ending.self) { tasks in
      tasks.addTask(executorPreference: reactor) { try await self.sendInput() }
      tasks.addTask(executorPreference: reactor) { try await self.printReplies() }
      var serverHasEnded = false
      while let ending = try await tasks.next() {
        if ending == .server { serverHasEnded = true }
        guard serverHasEnded else { continue }
        if ending == .server, !isTyped, !hasEnded {
          tasks.addTask(executorPreference: reactor) { try await self.awaitLateInput() }
        } else {
          tasks.cancelAll()
        }
      }
    }
  }

  private var hasEnded: Bool { inputHasEnded.load(ordering: .relaxed) }

  /// Sends what is typed, no faster than the server takes it.
  private func sendInput() async throws -> Ending {
    do {
      while let bytes = try await nextInput() {
        hasSent.store(true, ordering: .relaxed)
        try await connection.write(bytes)
      }
      inputHasEnded.store(true, ordering: .relaxed)
      // The shell's own prompt is to stand on a line of its own.
      if prompts { try Console.write("\n".utf8) }
      try await connection.closeWrite()
    } catch let error where Task.isCancelled && !(error is Failure) {
      // Nobody is left to take what is typed.
    }
    return .keyboard
  }

  private func nextInput() async throws -> [UInt8]? {
    waitingSince.withLock { $0 = .now }
    defer { waitingSince.withLock { $0 = nil } }
    return try await keyboard.read(on: connection.reactor)
  }

  private func printReplies() async throws -> Ending {
    while let chunk = try await connection.read() {
      let bytes = chunk.array
      try Console.write(bytes)
      if bytes.last == UInt8(ascii: "\n") { try prompt() }
    }
    return .server
  }

  private func prompt() throws {
    guard prompts, !hasEnded else { return }
    try Console.write(">>: ".utf8)
  }
}

// MARK: - When the server has finished

extension ConnectSession {
  /// Waits while input comes, or may come.
  ///
  /// - Throws: That the connection was reset meanwhile, if input may have been lost; that nothing has moved for too
  ///   long.
  private func awaitLateInput() async throws -> Ending {
    let start = ContinuousClock.now
    do {
      while await !isBroken {
        if hasWaited(since: start) {
          let time = Quantity.seconds(Self.patience)
          Console.complain("the server has finished, and no input arrived for \(time)")
          return .patience
        }
        try await connection.reactor.sleep(for: Self.lookInterval)
        // Says so where it was closed on this side.
        _ = try await connection.read()
      }
    } catch _ where Task.isCancelled {
      return .patience
    }
    if hasSent.load(ordering: .relaxed) { throw breakage }
    return .patience
  }

  private func hasWaited(since start: ContinuousClock.Instant) -> Bool {
    guard let since = waitingSince.withLock({ $0 }) else { return false }
    return .now - max(start, since) >= .seconds(Self.patience)
  }

  /// Whether the server has broken the connection off since it was last asked for that.
  private var isBroken: Bool {
    get async { (try? await connection.value(of: .pendingError)) ?? 0 != 0 }
  }

  private var breakage: ConnectionError { ConnectionError(.reset, during: .write, peer: connection.peerAddress) }
}
