internal import CMultiplex
internal import SystemPackage

/// How many descriptors this process may have open: what bounds the number of connections of a server.
///
/// Corresponding C functions: `getrlimit`, `setrlimit` with `RLIMIT_NOFILE`; in a shell, `ulimit -n`.
public struct OpenFileLimit: Hashable, Sendable {
  /// The limit in force.
  public let current: Int
  /// What the process may raise it to.
  public let maximum: Int

  /// Asks the kernel.
  public init() throws(MultiplexError) {
    do {
      let limit = try Kernel.openFileLimit()
      current = Int(clamping: limit.rlim_cur)
      maximum = Int(clamping: limit.rlim_max)
    } catch {
      throw MultiplexError(call: "getrlimit", errno: error)
    }
  }

  /// Raises the limit as far as the process may. Every server should do that: the usual limit of 1024 is a concession to
  /// programs that call C's `select`.
  ///
  /// - Returns: The limit then in force.
  @discardableResult
  public static func raise() throws(MultiplexError) -> OpenFileLimit {
    do {
      var limit = try Kernel.openFileLimit()
      if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max
        try Kernel.setOpenFileLimit(limit)
      }
    } catch {
      throw MultiplexError(call: "setrlimit", errno: error)
    }
    return try OpenFileLimit()
  }
}
