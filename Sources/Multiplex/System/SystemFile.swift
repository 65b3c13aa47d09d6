package import SystemPackage

/// Files in which the kernel provides information, as in /proc: small, and read in one piece.
package enum SystemFile {
  /// Returns the first 4 KiB of a file as text; nil if it doesn't exist or can't be read.
  package static func contents(of path: FilePath) -> String? {
    guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try? file.closeAfter { try unsafe bytes.withUnsafeMutableBytes { try unsafe file.read(into: $0) } }
    return count.map { String(decoding: bytes.prefix($0), as: UTF8.self) }
  }
}
