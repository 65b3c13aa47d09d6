import Foundation

/// Python, the other implementation to agree with, if it is installed.
public enum Python {
  /// Runs a program with an input, and returns what it prints.
  public static func run(_ program: String, input: String = "") throws -> String {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try Data(input.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", program]
    process.standardInput = try FileHandle(forReadingFrom: file)
    let output = Pipe()
    process.standardOutput = output
    try Forks.make { try process.run() }
    let printed = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    // The exit status of env if there is no such program.
    guard process.terminationStatus != 127 else { throw Missing() }
    return String(decoding: printed, as: UTF8.self)
  }

  /// Whether Python is installed.
  public static let isPresent = (try? run("print(1)")) == "1\n"

  /// There is no python3 on this machine.
  public struct Missing: Error {}
}
