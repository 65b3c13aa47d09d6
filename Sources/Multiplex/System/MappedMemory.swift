internal import SystemPackage

/// Mapped memory, which is unmapped when the value ends.
@safe
struct MappedMemory: ~Copyable {
  let start: UnsafeMutableRawPointer
  /// In bytes.
  let size: Int

  /// Maps new memory, filled with zeros.
  init(size: Int) throws(MultiplexError) {
    unsafe start = try calling("mmap", for: "of \(size) bytes", Kernel.mapAnonymous(size))
    self.size = size
  }

  /// Maps a part of a ring.
  init(ofRing fd: Int32, size: Int, at offset: Int64) throws(MultiplexError) {
    unsafe start = try calling("mmap", on: FileDescriptor(rawValue: fd), Kernel.mapRing(fd, size, at: offset))
    self.size = size
  }

  deinit {
    unsafe Kernel.unmap(start, size)
  }
}
