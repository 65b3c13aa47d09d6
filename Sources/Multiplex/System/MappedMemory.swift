internal import SystemPackage

/// Mapped memory, which is unmapped when the value ends.
@safe
struct MappedMemory: ~Copyable {
  let start: UnsafeMutableRawPointer
  /// In bytes.
  let size: Int

  /// Maps new memory, filled with zeros.
  init(size: Int) throws(MultiplexError) {
    do {
      unsafe start = try Kernel.mapAnonymous(size)
    } catch {
      throw MultiplexError(call: "mmap", subject: "of \(size) bytes", errno: error)
    }
    self.size = size
  }

  /// Maps a part of a ring.
  init(ofRing fd: Int32, size: Int, at offset: Int64) throws(MultiplexError) {
    do {
      unsafe start = try Kernel.mapRing(fd, size, at: offset)
    } catch {
      throw MultiplexError(call: "mmap", descriptor: FileDescriptor(rawValue: fd), errno: error)
    }
    self.size = size
  }

  deinit {
    unsafe Kernel.unmap(start, size)
  }
}
