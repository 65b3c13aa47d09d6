/// Python, the other implementation to agree with, if it is installed.
public enum Python {
  /// Runs a program with an input, and returns what it prints.
  public static func run(_ program: String, input: String = "") throws -> String {
    let python = try ChildProcess("/usr/bin/env", ["python3", "-c", program])
    python.send(input)
    python.closeInput()
    let status = try python.waitForExit(within: .seconds(120))
    // The exit status of env if there is no such program.
    guard status != .exited(127) else { throw Missing() }
    guard status == .exited(0) else { throw ChildProcessError("Python failed: \(python.errorText)") }
    return python.outputText
  }

  /// Whether Python is installed.
  public static let isPresent = (try? run("print(1)")) == "1\n"

  /// There is no python3 on this machine.
  public struct Missing: Error {}
}
