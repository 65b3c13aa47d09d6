import Foundation

/// A folder of a test's own, removed with everything in it when the value ends.
final class TemporaryFolder {
  let path: String

  init() throws {
    // Short, as the path of a Unix socket has little more than a hundred bytes.
    path = "/tmp/multiplex-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: file(name)) }
}
