internal import SystemPackage

/// What sysctl(8) shows, read from /proc/sys.
enum SystemSetting {
  /// A setting that is one number; nil where there is none.
  static func integer(_ name: String) -> Int? {
    SystemFile.contents(of: FilePath("/proc/sys/\(name)")).flatMap { text in Int(text.prefix { $0 != "\n" }) }
  }
}
