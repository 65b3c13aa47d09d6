internal import SystemPackage

/// The settings of sysctl(8), read from /proc/sys.
enum SystemSetting {
  /// Returns the value of a setting that is one integer; nil if there is none.
  static func integer(_ name: String) -> Int? {
    SystemFile.contents(of: FilePath("/proc/sys/\(name)")).flatMap { text in Int(text.prefix { $0 != "\n" }) }
  }
}
