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
}
