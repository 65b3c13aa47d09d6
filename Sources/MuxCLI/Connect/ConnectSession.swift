import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A session with a server: waits for the keyboard and the connection at the same time.
final class ConnectSession: Sendable {
  /// What has ended.
  private enum Ending {
    case keyboard, server
    /// The wait for late input.
    case patience
  }

  /// How long to wait for input from a pipe once the server has finished, in seconds. A server that has closed the
  /// connection can't be told from one that still reads, until something is sent. Also how long to wait for replies once
  /// nothing more can be sent.
  private static let patience = 2.0
  /// How often to check whether the connection was reset once the server has finished.
  private static let checkInterval = Duration.milliseconds(100)

  private let connection: Connection
  /// How long the connection may be idle; nil for no limit.
  private let idleTimeout: Duration?
  private let keyboard = Keyboard()
  private let isTyped = isatty(STDIN_FILENO) == 1
  private let prompts = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
  private let inputHasEnded = Atomic(false)
  private let hasSent = Atomic(false)
  /// Why the server takes no more input.
  private let sendFailure = Mutex<ConnectionError?>(nil)
  /// When the wait for input began; nil while input is being sent.
  private let waitingSince = Mutex<ContinuousClock.Instant?>(nil)

  init(_ connection: Connection, idleTimeout: Duration?) {
    self.connection = connection
    self.idleTimeout = idleTimeout
    if let idleTimeout { connection.setIdleTimeout(idleTimeout) }
  }

  /// Runs the session to its end.
  ///
  /// - Throws: An error that says why the connection was lost, or what is wrong with the standard streams.
  func run() async throws {
    do {
      try await runToEnd()
    } catch {
      leavePrompt()
      throw error
    }
    guard isTyped, !hasEnded else { return }
    leavePrompt()
    Console.warn("the server closed the connection")
  }

  private func runToEnd() async throws {
    try prompt()
    do {
      try await converse()
    } catch let error as ConnectionError {
      throw failure ?? error
    }
    if let failure { throw failure }
    let unsent = await connection.queuedCount
    guard unsent == 0 else {
      throw Failure(
        "the server closed before receiving everything: \(Quantity.counted(unsent, "byte")) lost", .ioError)
    }
    // The peer may have rejected the last bytes after the kernel accepted them.
    if hasSent.load(ordering: .relaxed), await wasReset { throw reset }
  }

  /// Runs until both sides have finished. If the server finishes first, input from a file or a pipe is still sent to
  /// it; on a terminal, the session ends.
  private func converse() async throws {
    let reactor = connection.reactor
    try await withThrowingTaskGroup(of: Ending.self) { tasks in
      tasks.addTask(executorPreference: reactor) { try await self.sendInput() }
      tasks.addTask(executorPreference: reactor) { try await self.printReplies() }
      var serverHasEnded = false
      while let ending = try await tasks.next() {
        if ending == .server { serverHasEnded = true }
        guard serverHasEnded else { continue }
        if ending == .server, !isTyped, !hasEnded, failure == nil {
          tasks.addTask(executorPreference: reactor) { try await self.awaitLateInput() }
        } else {
          tasks.cancelAll()
        }
      }
    }
  }

  private var hasEnded: Bool { inputHasEnded.load(ordering: .relaxed) }
  private var failure: ConnectionError? { sendFailure.withLock { $0 } }

  /// Sends the input, no faster than the server takes it.
  private func sendInput() async throws -> Ending {
    do {
      while let bytes = try await nextInput() {
        hasSent.store(true, ordering: .relaxed)
        try await connection.write(bytes)
      }
      inputHasEnded.store(true, ordering: .relaxed)
      // The shell's prompt goes on a new line.
      if prompts { try Console.write("\n".utf8) }
      try await connection.closeWrite()
    } catch let error where Task.isCancelled && !(error is Failure) {
      // Nobody is left to receive the input.
    } catch let error as ConnectionError where error.reason != .timedOut {
      noteSendFailure(error)
    }
    return .keyboard
  }

  /// Leaves time for printing what the server sent before it stopped reading: perhaps it says why.
  private func noteSendFailure(_ error: ConnectionError) {
    sendFailure.withLock { $0 = error }
    connection.setIdleTimeout(min(.seconds(Self.patience), idleTimeout ?? .seconds(Self.patience)))
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

  /// Begins a new line, for a message, unless the end of input has.
  private func leavePrompt() {
    guard prompts, !hasEnded else { return }
    try? Console.write("\n".utf8)
  }
}

// MARK: - When the server has finished

extension ConnectSession {
  /// Waits as long as input arrives, or may arrive.
  ///
  /// - Throws: An error if the connection was reset and input may have been lost, or if it was idle for too long.
  private func awaitLateInput() async throws -> Ending {
    let start = ContinuousClock.now
    do {
      while await !wasReset {
        if hasWaited(since: start) {
          let time = Quantity.seconds(Self.patience)
          Console.warn("the server has finished, and no input arrived for \(time)")
          return .patience
        }
        try await connection.reactor.sleep(for: Self.checkInterval)
        // Throws if this side has closed the connection.
        _ = try await connection.read()
      }
    } catch _ where Task.isCancelled {
      return .patience
    }
    if hasSent.load(ordering: .relaxed) { throw reset }
    return .patience
  }

  private func hasWaited(since start: ContinuousClock.Instant) -> Bool {
    guard let since = waitingSince.withLock({ $0 }) else { return false }
    return .now - max(start, since) >= .seconds(Self.patience)
  }

  /// Whether the server has reset the connection since the last time this was read.
  private var wasReset: Bool {
    get async { (try? await connection.value(of: .pendingError)) ?? 0 != 0 }
  }

  private var reset: ConnectionError { ConnectionError(.reset, during: .write, peer: connection.peerAddress) }
}
