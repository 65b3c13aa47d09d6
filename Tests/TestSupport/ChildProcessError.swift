/// An expectation of a child process that wasn't met, with everything that the process has printed.
public struct ChildProcessError: Error, CustomStringConvertible {
  /// What didn't happen, and what the process wrote to its standard output and standard error.
  public let description: String

  init(_ description: String) {
    self.description = description
  }

  init(_ problem: String, program: String, output: [UInt8], errors: [UInt8]) {
    description = """
      \(program): \(problem)
      -- the end of its standard output, \(output.count) bytes:
      \(Self.tail(output))
      -- the end of its standard error, \(errors.count) bytes:
      \(Self.tail(errors))
      """
  }

  private static func tail(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.suffix(2000), as: UTF8.self)
  }
}
