import TestSupport

extension ChildProcess {
  /// Starts the command-line tool.
  ///
  /// - Parameters:
  ///   - arguments: The command and its arguments.
  ///   - openFileLimit: How many descriptors it may have open; nil leaves the limit as it is.
  static func mux(_ arguments: [String], openFileLimit: Int? = nil) throws -> ChildProcess {
    try ChildProcess(try Executable.built("mux"), arguments, openFileLimit: openFileLimit)
  }

  /// The tool repeats its warning about a lasting problem after this time. A busy machine may stall a test for longer.
  static let warningInterval = Duration.seconds(10)

  /// Whether the tool, started after `start`, has printed one warning; or more, if there was time for that.
  func warnsOnce(since start: ContinuousClock.Instant) -> Bool {
    let count = errorText.split(separator: "\n").count
    return count == 1 || count > 1 && ContinuousClock.now - start > Self.warningInterval
  }
}
