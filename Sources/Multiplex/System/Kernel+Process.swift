internal import CMultiplex
package import SystemPackage

extension Kernel {
  /// Identifies the calling thread among the running ones.
  static var currentThread: UInt { cmx_current_thread() }

  /// Identifies this process.
  static var currentProcess: Int32 { cmx_current_process() }

  /// Fills the mask with a bit for each processor that the calling thread may run on, and returns the bytes written.
  package static func affinity(_ mask: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    try perform(.sched_getaffinity) { unsafe cmx_sched_getaffinity(mask.baseAddress, mask.count) }
  }

  static func openFileLimit() throws(Errno) -> rlimit {
    var limit = rlimit()
    _ = try perform(.getrlimit) { unsafe cmx_getrlimit_nofile(&limit) }
    return limit
  }

  static func setOpenFileLimit(_ limit: rlimit) throws(Errno) {
    var limit = limit
    _ = try perform(.setrlimit) { unsafe cmx_setrlimit_nofile(&limit) }
  }
}
