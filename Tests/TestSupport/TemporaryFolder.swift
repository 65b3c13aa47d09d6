import Foundation

/// A folder of a test's own, which goes with everything in it. Its path is short, for Unix sockets.
public final class TemporaryFolder: Sendable {
  private let root: String

  /// Makes the folder.
  public init() {
    root = "/tmp/multiplex-\(UUID().uuidString.prefix(13))"
    try? FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: root)
  }

  /// The path of something in the folder.
  public func path(_ name: String) -> String { "\(root)/\(name)" }
}
