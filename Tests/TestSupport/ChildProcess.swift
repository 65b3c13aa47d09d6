internal import Glibc

/// A program that runs beside the test, and ends with it.
///
///     let server = try ChildProcess(Executable.built("echo-select"), ["127.0.0.1:0"])
///     let line = try server.nextLine()
///     server.signal(SIGTERM)
///     #expect(try server.waitForExit() == .exited(0))
///
/// Its streams are pipes served by their own thread: a program that writes a lot is never blocked, and sending to one
/// that doesn't read never blocks. Every wait has a limit, and fails with what the program has printed. When the last
/// reference is gone the program is killed and its descriptors are closed.
public final class ChildProcess: Sendable {
  /// How long a wait may take on a busy machine before it fails.
  public static let limit = Duration.seconds(30)

  private let process: RunningProcess
  private let program: String
  private let streams: ChildStreams

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - program: A path, or a name that is looked up in PATH.
  ///   - environment: Added to this process's own.
  ///   - openFileLimit: How many descriptors it may have open; nil leaves the limit unchanged.
  public init(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], openFileLimit: Int? = nil
  ) throws {
    let words =
      if let openFileLimit {
        // The shell becomes the program.
        ["/bin/sh", "-c", "ulimit -n \(openFileLimit) && exec \"$0\" \"$@\"", program] + arguments
      } else {
        [program] + arguments
      }
    let spawned = try SpawnedProcess(words[0], Array(words.dropFirst()), environment: environment)
    self.program = program
    process = spawned.process
    streams = try ChildStreams(of: spawned)
  }

  deinit {
    streams.stop()
  }

  /// The process ID, valid until ``waitForExit(within:)`` has returned.
  public var processID: Int32 { process.processID }

  // MARK: Output

  /// Everything on standard output so far; complete after ``waitForExit(within:)``.
  public var output: [UInt8] { streams.output.bytes }

  /// Everything on standard output so far, as text.
  public var outputText: String { String(decoding: output, as: UTF8.self) }

  /// Everything on standard error so far, as text.
  public var errorText: String { String(decoding: streams.errors.bytes, as: UTF8.self) }

  /// Waits until a text has appeared on standard output, after what was already taken, and takes everything up to it.
  ///
  /// - Returns: What was taken, which ends with the text.
  @discardableResult
  public func expect(_ text: String, within limit: Duration = limit) throws -> String {
    let text = Array(text.utf8)
    guard !text.isEmpty else { return "" }
    var searched = 0
    var taken: String?
    let hasCome = eventually(within: limit) {
      // In this order: at the end, everything has been searched.
      let isAtEnd = streams.output.isAtEnd
      taken = streams.takeOutput(through: text, searched: &searched)
      return taken != nil || isAtEnd
    }
    if let taken { return taken }
    let problem = hasCome ? "ended without" : "kept running without"
    throw failure("\(problem) '\(String(decoding: text, as: UTF8.self))' on its output")
  }

  /// Waits for the next line on standard output, and takes it.
  ///
  /// - Returns: The line, without its line ending.
  public func nextLine(within limit: Duration = limit) throws -> String {
    String(try expect("\n", within: limit).dropLast())
  }

  /// Waits for a line on standard output that contains a text, and takes it and everything before it.
  public func line(containing text: String, within limit: Duration = limit) throws -> String {
    let deadline = ContinuousClock.now + limit
    while true {
      let line = try nextLine(within: deadline - .now)
      if line.contains(text) { return line }
    }
  }

  /// Takes everything that has been printed on standard output so far.
  @discardableResult
  public func takeOutput() -> String { streams.takeAllOutput() }

  // MARK: Input and signals

  /// Sends bytes to its standard input, without waiting until it reads them.
  public func send(_ bytes: [UInt8]) {
    streams.send(bytes)
  }

  /// Sends text to its standard input.
  public func send(_ text: String) {
    send(Array(text.utf8))
  }

  /// Closes its standard input, after everything that has been sent.
  public func closeInput() {
    streams.closeInput()
  }

  /// Sends it a signal, unless it has ended.
  public func signal(_ number: Int32) {
    process.signal(number)
  }

  // MARK: Exit

  /// Waits until it has ended and everything it has written has been read.
  public func waitForExit(within limit: Duration = limit) throws -> ExitStatus {
    guard eventually(within: limit, { !isRunning }), let status = process.exitStatus else {
      throw failure("is still running")
    }
    guard eventually(within: limit, { streams.output.isAtEnd && streams.errors.isAtEnd }) else {
      throw failure("has ended, but something else holds its output open")
    }
    return status
  }

  /// Whether it is still running.
  public var isRunning: Bool { process.exitStatus == nil }

  private func failure(_ problem: String) -> ChildProcessError {
    ChildProcessError(problem, program: program, output: output, errors: streams.errors.bytes)
  }
}
