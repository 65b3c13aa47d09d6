package import SystemPackage

/// Files by which the kernel tells something, as in /proc: small, and there all at once.
package enum SystemFile {
  /// The first 4 KiB of a file as text; nil where there is none, or it can't be read.
  package static func contents(of path: FilePath) -> String? {
    guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try? file.closeAfter { try unsafe bytes.withUnsafeMutableBytes { try unsafe file.read(into: $0) } }
    return count.map { String(decoding: bytes.prefix($0), as: UTF8.self) }
  }
}
