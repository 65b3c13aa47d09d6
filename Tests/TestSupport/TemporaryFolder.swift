import Foundation
public import Multiplex
public import SystemPackage

/// A directory for one test, removed with its contents when the last reference is gone.
public final class TemporaryFolder: Sendable {
  /// The directory's path.
  public let path: String

  /// Creates the directory.
  public init() throws {
    // Short, as the path of a Unix socket has little more than a hundred bytes.
    path = "/tmp/multiplex-\(UUID().uuidString.prefix(13))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The path of something in the directory.
  public func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Creates an empty file, and opens it.
  public func makeFile(_ mode: FileDescriptor.AccessMode = .readWrite) throws -> OwnedDescriptor {
    OwnedDescriptor(
      adopting: try FileDescriptor.open(
        FilePath(file("file")), mode, options: [.create, .closeOnExec], permissions: .ownerReadWrite))
  }

  /// Whether there is a file of this name in the directory. Links aren't followed.
  public func exists(_ name: String) -> Bool { (try? FileManager.default.attributesOfItem(atPath: file(name))) != nil }
}
