public import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Reads and writes with swift-system instead of the product's own calls. The descriptors are non-blocking.
extension FileDescriptor {
  /// Writes `count` bytes, for which there must be room. A peer that is gone is an error, never a SIGPIPE.
  public func put(_ count: Int = 1) throws {
    let bytes = [UInt8](repeating: UInt8(ascii: "x"), count: count)
    var rest = bytes[...]
    while !rest.isEmpty {
      let sent = unsafe rest.withUnsafeBytes { unsafe send(rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      if sent < 0, errno == ENOTSOCK {
        try writeAll(rest)
        return
      }
      guard sent >= 0 else { throw Errno(rawValue: errno) }
      rest = rest.dropFirst(sent)
    }
  }

  /// Reads up to `count` bytes; returns 0 at the end of input, and nil if there is nothing now.
  @discardableResult
  public func take(_ count: Int = 1) throws -> Int? {
    do {
      return try unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 1) { buffer in
        try unsafe read(into: buffer)
      }
    } catch Errno.wouldBlock {
      return nil
    }
  }

  /// Reads until nothing is left now, or the input has ended.
  public func drain() throws {
    while let count = try take(65_536), count > 0 {}
  }

  /// Writes until there is no room left.
  public func fill() throws {
    // Single bytes may still fit if a page doesn't.
    for count in [4096, 1] {
      do {
        while true { try put(count) }
      } catch Errno.wouldBlock {
        continue
      }
    }
  }

  /// Sends one byte of TCP's out-of-band data.
  public func putUrgent() throws {
    var byte = UInt8(ascii: "!")
    guard unsafe send(rawValue, &byte, 1, Int32(MSG_OOB)) == 1 else { throw Errno(rawValue: errno) }
  }

  /// Sends one byte on a Unix socket, together with a duplicate of a descriptor (`SCM_RIGHTS`).
  public func put(_ byte: UInt8, passing descriptor: FileDescriptor) throws {
    var byte = byte
    // A cmsghdr, as laid out in C: its length, SOL_SOCKET, SCM_RIGHTS and the descriptor.
    var control: (length: Int, level: Int32, type: Int32, descriptor: Int32, padding: Int32) =
      (20, SOL_SOCKET, 1, descriptor.rawValue, 0)
    let count = unsafe withUnsafeMutableBytes(of: &byte) { bytes in
      unsafe withUnsafeMutableBytes(of: &control) { control in
        var piece = unsafe iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
        return unsafe withUnsafeMutablePointer(to: &piece) { piece in
          var message = unsafe msghdr()
          unsafe message.msg_iov = piece
          unsafe message.msg_iovlen = 1
          unsafe message.msg_control = control.baseAddress
          unsafe message.msg_controllen = control.count
          return unsafe sendmsg(rawValue, &message, 0)
        }
      }
    }
    guard count == 1 else { throw Errno(rawValue: errno) }
  }

  /// Takes the byte of out-of-band data.
  public func takeUrgent() throws {
    var byte: UInt8 = 0
    guard unsafe recv(rawValue, &byte, 1, Int32(MSG_OOB)) == 1 else { throw Errno(rawValue: errno) }
  }

  /// Makes closing this TCP socket reset the connection instead of ending it.
  public func resetOnClose() throws {
    var option = linger(l_onoff: 1, l_linger: 0)
    let size = socklen_t(MemoryLayout<linger>.size)
    guard unsafe setsockopt(rawValue, SOL_SOCKET, SO_LINGER, &option, size) == 0 else { throw Errno(rawValue: errno) }
  }
}
