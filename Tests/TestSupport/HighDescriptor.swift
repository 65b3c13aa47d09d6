import CMultiplex
public import Multiplex
import Synchronization
public import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

private let used = Atomic<Int32>(0)

extension OwnedDescriptor {
  /// A duplicate with a number far above all others, which no other test is given after it was closed.
  public init(highDuplicateOf descriptor: FileDescriptor) throws {
    // Tests of many descriptors take the numbers from below, up to half of the limit.
    let least = try openFileLimit() / 4 * 3 + used.add(2, ordering: .relaxed).newValue
    self.init(adopting: try Kernel.fcntl(descriptor.rawValue, Kernel.duplicateCloseOnExec, least))
  }
}

/// How many files this process may have open, once it has raised that to the most it may.
private func openFileLimit() throws -> Int32 {
  var limit = rlimit()
  guard unsafe cmx_getrlimit_nofile(&limit) == 0 else { throw Errno(rawValue: errno) }
  limit.rlim_cur = limit.rlim_max
  _ = unsafe cmx_setrlimit_nofile(&limit)
  return Int32(min(limit.rlim_max, 65_536))
}
