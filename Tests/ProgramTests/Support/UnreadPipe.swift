import Glibc
import SystemPackage
import TestSupport

/// A named pipe that is open for reading, but isn't read until asked to.
final class UnreadPipe {
  private let folder: TemporaryFolder
  private let reader: FileDescriptor

  var path: String { folder.file("pipe") }

  init() throws {
    folder = try TemporaryFolder()
    guard unsafe mkfifo(folder.file("pipe"), 0o600) == 0 else { throw Errno(rawValue: errno) }
    reader = try .open(FilePath(folder.file("pipe")), .readOnly, options: [.nonBlocking, .closeOnExec])
  }

  deinit {
    try? reader.close()
  }

  /// Writes until the pipe is full.
  func fill() throws {
    let writer = try FileDescriptor.open(FilePath(path), .writeOnly, options: [.nonBlocking, .closeOnExec])
    defer { try? writer.close() }
    try writer.fill()
  }

  /// Reads the available bytes.
  func read() throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    do {
      while true {
        let count = try unsafe buffer.withUnsafeMutableBytes { try unsafe reader.read(into: $0) }
        if count == 0 { return bytes }
        bytes += buffer.prefix(count)
      }
    } catch Errno.wouldBlock {
      return bytes
    }
  }
}
