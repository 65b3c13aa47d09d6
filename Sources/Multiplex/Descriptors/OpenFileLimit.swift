internal import CMultiplex
internal import SystemPackage

/// How many descriptors this process may have open, which bounds the number of a server's connections.
///
/// Corresponding C functions: `getrlimit`, `setrlimit` with `RLIMIT_NOFILE`; in a shell, `ulimit -n`.
public struct OpenFileLimit: Hashable, Sendable {
  /// The limit in force.
  public let current: Int
  /// The highest limit that the process may set.
  public let maximum: Int

  /// Reads the limit from the kernel.
  ///
  /// - Throws: The kernel's error, if any.
  public init() throws(MultiplexError) {
    let limit = try calling("getrlimit", Kernel.openFileLimit())
    current = Int(clamping: limit.rlim_cur)
    maximum = Int(clamping: limit.rlim_max)
  }

  /// Raises the limit to the maximum. Every server should do that: the usual limit of 1024 is a concession to programs
  /// that call C's `select`.
  ///
  /// - Returns: The new limit.
  /// - Throws: The kernel's error, if any.
  @discardableResult
  public static func raise() throws(MultiplexError) -> OpenFileLimit {
    var limit = try calling("getrlimit", Kernel.openFileLimit())
    if limit.rlim_cur < limit.rlim_max {
      limit.rlim_cur = limit.rlim_max
      try calling("setrlimit", Kernel.setOpenFileLimit(limit))
    }
    return try OpenFileLimit()
  }
}
