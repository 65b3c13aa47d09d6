internal import CMultiplex
internal import SystemPackage

extension Kernel {
  /// Maps a part of a ring into memory.
  static func mapRing(_ fd: Int32, _ size: Int, at offset: Int64) throws(Errno) -> UnsafeMutableRawPointer {
    try unsafe mapped { unsafe cmx_map_ring(size, fd, offset) }
  }

  /// Maps private memory. Its pages are zero, and allocated when first accessed.
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
    // Fails only for addresses that were never mapped.
    _ = unsafe munmap(memory, size)
  }

  /// Returns the pages that are wholly within a piece of memory to the system: they are zero when next accessed.
  static func discard(_ memory: UnsafeMutableRawPointer, _ size: Int) {
    // The kernel would round the end up, and discard what follows.
    let start = unsafe memory.alignedUp(toMultipleOf: pageSize)
    let end = unsafe (memory + size).alignedDown(toMultipleOf: pageSize)
    guard unsafe start < end else { return }
    // If the kernel ignores the advice, that costs only memory.
    _ = unsafe madvise(start, end - start, Int32(MADV_DONTNEED))
  }

  /// In bytes: 4 KiB, except on ARM, where it may be 16 or 64 KiB.
  private static let pageSize = Int(cmx_page_size())
}
