internal import CMultiplex
internal import SystemPackage

// MARK: - Memory

extension Kernel {
  /// Maps a part of a ring into memory.
  static func mapRing(_ fd: Int32, _ size: Int, at offset: Int64) throws(Errno) -> UnsafeMutableRawPointer {
    try unsafe mapped { unsafe cmx_map_ring(size, fd, offset) }
  }

  /// Maps memory that nothing else uses; its pages are zero, and there once they are touched.
  static func mapAnonymous(_ size: Int) throws(Errno) -> UnsafeMutableRawPointer {
    try unsafe mapped { unsafe cmx_map_anonymous(size) }
  }

  private static func mapped(_ body: () -> UnsafeMutableRawPointer?) throws(Errno) -> UnsafeMutableRawPointer {
    var memory: UnsafeMutableRawPointer?
    _ = try perform(.mmap) {
      unsafe memory = unsafe body()
      return unsafe memory == nil ? -1 : 0
    }
    guard let memory = unsafe memory else { throw .noMemory }
    return unsafe memory
  }

  static func unmap(_ memory: UnsafeMutableRawPointer, _ size: Int) {
    // Fails for addresses that were never mapped alone.
    _ = unsafe munmap(memory, size)
  }

  /// Gives the pages that lie wholly in a piece of memory back to the system: they are zero when they are used again.
  static func discard(_ memory: UnsafeMutableRawPointer, _ size: Int) {
    // The kernel would round the end up, and take what lies behind it.
    let start = unsafe memory.alignedUp(toMultipleOf: pageSize)
    let end = unsafe (memory + size).alignedDown(toMultipleOf: pageSize)
    guard unsafe start < end else { return }
    // Advice that isn't taken costs memory, and nothing else.
    _ = unsafe madvise(start, end - start, Int32(MADV_DONTNEED))
  }

  /// In bytes: 4 KiB, but for ARM, where it may be 16 or 64.
  private static let pageSize = Int(cmx_page_size())
}
