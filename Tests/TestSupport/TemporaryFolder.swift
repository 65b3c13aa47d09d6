import Foundation
public import Multiplex
public import SystemPackage

/// A folder of a test's own, removed with everything in it when the last reference is gone.
public final class TemporaryFolder: Sendable {
  /// Where the folder is.
  public let path: String

  /// Makes the folder.
  public init() throws {
    // Short, as the path of a Unix socket has little more than a hundred bytes.
    path = "/tmp/multiplex-\(UUID().uuidString.prefix(13))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The path of something in the folder.
  public func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Makes an empty file, and opens it.
  public func makeFile(_ mode: FileDescriptor.AccessMode = .readWrite) throws -> OwnedDescriptor {
    OwnedDescriptor(
      adopting: try FileDescriptor.open(
        FilePath(file("file")), mode, options: [.create, .closeOnExec], permissions: .ownerReadWrite))
  }

  /// Whether there is something of this name in the folder; what a link leads to doesn't matter.
  public func exists(_ name: String) -> Bool { (try? FileManager.default.attributesOfItem(atPath: file(name))) != nil }
}
