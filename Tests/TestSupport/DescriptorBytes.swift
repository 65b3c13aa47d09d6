public import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Bytes through swift-system instead of the product's own calls. The descriptors are non-blocking.
extension FileDescriptor {
  /// Writes this many bytes, for which there must be room. A peer that has gone is an error, never a SIGPIPE.
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

  /// Reads up to this many bytes; 0 at the end of input, nil if there is nothing now.
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

  /// Reads until there is nothing left now, or the input has ended.
  public func drain() throws {
    while let count = try take(65_536), count > 0 {}
  }

  /// Writes until there is no room left.
  public func fill() throws {
    do {
      while true { try put(4096) }
    } catch Errno.wouldBlock {
      // Single bytes may still fit where a page doesn't.
    }
    do {
      while true { try put() }
    } catch Errno.wouldBlock {}
  }

  /// Sends one byte of TCP's out-of-band data.
  public func putUrgent() throws {
    var byte = UInt8(ascii: "!")
    guard unsafe send(rawValue, &byte, 1, Int32(MSG_OOB)) == 1 else { throw Errno(rawValue: errno) }
  }

  /// Takes the byte of out-of-band data.
  public func takeUrgent() throws {
    var byte: UInt8 = 0
    guard unsafe recv(rawValue, &byte, 1, Int32(MSG_OOB)) == 1 else { throw Errno(rawValue: errno) }
  }

  /// From now on closing this TCP socket resets the connection instead of ending it.
  public func resetOnClose() throws {
    var option = linger(l_onoff: 1, l_linger: 0)
    let size = socklen_t(MemoryLayout<linger>.size)
    guard unsafe setsockopt(rawValue, SOL_SOCKET, SO_LINGER, &option, size) == 0 else { throw Errno(rawValue: errno) }
  }
}
