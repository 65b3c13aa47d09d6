internal import Foundation

/// The locations of programs.
public enum Executable {
  /// The path of a program of this package. It is next to the test bundle, which is itself an executable file on Linux,
  /// whatever the configuration and the scratch path.
  public static func built(_ name: String) throws -> String {
    let bundle = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let folders = [bundle, CommandLine.arguments.first, Bundle.main.bundlePath].compactMap { $0 }
      .map { URL(fileURLWithPath: $0).deletingLastPathComponent().path }
    guard let path = firstExecutable(name, in: folders) else {
      throw ChildProcessError("\(name) isn't built, or not in \(folders)")
    }
    return path
  }

  /// The path of a program that is installed on this machine; nil if there is none.
  public static func installed(_ name: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return firstExecutable(name, in: path.split(separator: ":").map(String.init))
  }

  private static func firstExecutable(_ name: String, in folders: [String]) -> String? {
    folders.map { "\($0)/\(name)" }.first(where: FileManager.default.isExecutableFile(atPath:))
  }
}
