internal import SystemPackage

/// What sysctl(8) shows, read from /proc/sys.
enum SystemSetting {
  /// A setting that is one number; nil where there is none.
  static func integer(_ name: String) -> Int? {
    let path = FilePath("/proc/sys/\(name)")
    guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
    var text = [UInt8](repeating: 0, count: 64)
    let count = try? file.closeAfter { try unsafe text.withUnsafeMutableBytes { try unsafe file.read(into: $0) } }
    guard let count else { return nil }
    return Int(String(decoding: text.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
  }
}
