package import CMultiplex
package import SystemPackage

extension Kernel {
  package static func socket(_ family: Int32, _ type: Int32) throws(Errno) -> Int32 {
    try perform(.socket) { CMultiplex.socket(family, type | cmx_SOCK_NONBLOCK | cmx_SOCK_CLOEXEC, 0) }
  }

  package static func socketpair() throws(Errno) -> (Int32, Int32) {
    var ends: [2 of Int32] = [-1, -1]
    _ = try perform(.socketpair) {
      // The two elements are adjacent, as in C's int[2].
      unsafe withUnsafeMutableBytes(of: &ends) { bytes in
        unsafe CMultiplex.socketpair(
          AF_UNIX, cmx_SOCK_STREAM | cmx_SOCK_NONBLOCK | cmx_SOCK_CLOEXEC, 0,
          bytes.baseAddress?.assumingMemoryBound(to: Int32.self))
      }
    }
    return (ends[0], ends[1])
  }

  package static func bind(_ fd: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) throws(Errno) {
    _ = try perform(.bind) { unsafe CMultiplex.bind(fd, address, length) }
  }

  package static func listen(_ fd: Int32, _ backlog: Int32) throws(Errno) {
    _ = try perform(.listen) { CMultiplex.listen(fd, backlog) }
  }

  package static func connect(_ fd: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) throws(Errno) {
    _ = try perform(.connect) { unsafe CMultiplex.connect(fd, address, length) }
  }

  package static func accept(
    _ fd: Int32, _ address: UnsafeMutablePointer<sockaddr>?, _ length: UnsafeMutablePointer<socklen_t>?
  ) throws(Errno) -> Int32 {
    try perform(.accept4) { unsafe cmx_accept4(fd, address, length, cmx_SOCK_NONBLOCK | cmx_SOCK_CLOEXEC) }
  }

  /// For a call that must not wait, whatever the descriptor's own mode is.
  package static var dontWait: Int32 { cmx_MSG_DONTWAIT }

  /// For a receive that leaves the bytes where they are.
  package static var peek: Int32 { cmx_MSG_PEEK }

  package static func receive(
    _ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer, flags: Int32 = 0
  ) throws(Errno) -> Int {
    try perform(.recv) { unsafe cmx_recv(fd, buffer.baseAddress, granted(buffer.count), flags) }
  }

  /// Makes ``receive(_:_:remainder:flags:)`` report the remainder (`TCP_INQ`). Fails with ENOPROTOOPT or EOPNOTSUPP if
  /// it isn't a TCP socket.
  package static func reportRemainder(of fd: Int32) throws(Errno) {
    try setOption(fd, Int32(IPPROTO_TCP), cmx_TCP_INQ, 1)
  }

  /// Receives, and reports how many bytes are left: at least one if it is the end of input; nil if the socket doesn't
  /// tell.
  ///
  /// Only after ``reportRemainder(of:)`` has succeeded: a Unix socket would receive descriptors where the report goes,
  /// and nobody would close them.
  package static func receive(
    _ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer, remainder: inout Int?, flags: Int32
  ) throws(Errno) -> Int {
    var left: Int32 = -1
    let count = try perform(.recvmsg) {
      unsafe cmx_recv_counting(fd, buffer.baseAddress, granted(buffer.count), flags, &left)
    }
    remainder = left < 0 ? nil : Int(left)
    return count
  }

  /// Receives from a Unix socket, and reports whether a descriptor was passed with the bytes, which
  /// ``receive(_:_:flags:)`` doesn't. A receive ends after those bytes, even if more have arrived. As nothing takes the
  /// descriptor, the kernel closes it.
  package static func receive(
    fromUnix fd: Int32, _ buffer: UnsafeMutableRawBufferPointer, withDescriptor: inout Bool
  ) throws(Errno) -> Int {
    var piece = unsafe iovec(iov_base: buffer.baseAddress, iov_len: granted(buffer.count))
    var message = unsafe msghdr()
    let count = try unsafe withUnsafeMutablePointer(to: &piece) { piece throws(Errno) in
      unsafe message.msg_iov = piece
      unsafe message.msg_iovlen = 1
      return try perform(.recvmsg) { unsafe recvmsg(fd, &message, 0) }
    }
    unsafe withDescriptor = message.msg_flags & cmx_MSG_CTRUNC != 0
    return count
  }

  /// Fails with EPIPE if the peer has gone, and never raises SIGPIPE.
  package static func send(_ fd: Int32, _ bytes: UnsafeRawBufferPointer, flags: Int32 = 0) throws(Errno) -> Int {
    try perform(.send) {
      unsafe cmx_send(fd, bytes.baseAddress, granted(bytes.count), flags | cmx_MSG_NOSIGNAL)
    }
  }

  /// Sends several pieces of memory in order, as if they were one; at most 1024 of them (IOV_MAX).
  package static func send(
    _ fd: Int32, pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>, flags: Int32 = 0
  ) throws(Errno) -> Int {
    let result = unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: pieces.count) { entries in
      var left = granted(unsafe pieces.reduce(0) { $0 + $1.count })
      for index in pieces.indices {
        // The kernel only reads from this memory, though its type is mutable.
        let start = unsafe UnsafeMutableRawPointer(mutating: pieces[index].baseAddress)
        let count = unsafe min(left, pieces[index].count)
        unsafe entries.initializeElement(at: index, to: iovec(iov_base: start, iov_len: count))
        left -= count
      }
      return Result { () throws(Errno) in try unsafe send(fd, entries, flags) }
    }
    return try result.get()
  }

  private static func send(
    _ fd: Int32, _ entries: UnsafeMutableBufferPointer<iovec>, _ flags: Int32
  ) throws(Errno) -> Int {
    var message = unsafe msghdr()
    unsafe message.msg_iov = entries.baseAddress
    unsafe message.msg_iovlen = .init(entries.count)
    return try perform(.sendmsg) { unsafe sendmsg(fd, &message, flags | cmx_MSG_NOSIGNAL) }
  }

  /// Receives one datagram, truncated to the buffer, and its sender's address. Fault plans don't cut it short.
  package static func receiveFrom(
    _ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ address: UnsafeMutablePointer<sockaddr>,
    _ length: UnsafeMutablePointer<socklen_t>
  ) throws(Errno) -> Int {
    try perform(.recvfrom) { unsafe recvfrom(fd, buffer.baseAddress, buffer.count, 0, address, length) }
  }

  /// Sends one datagram, whole or not at all.
  ///
  /// - Parameters:
  ///   - fd: The socket.
  ///   - bytes: The content.
  ///   - address: nil for a connected socket.
  ///   - length: The size of the address.
  package static func sendTo(
    _ fd: Int32, _ bytes: UnsafeRawBufferPointer, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
  ) throws(Errno) {
    _ = try perform(.sendto) {
      unsafe sendto(fd, bytes.baseAddress, bytes.count, cmx_MSG_NOSIGNAL, address, length)
    }
  }

  /// Makes the close of a TCP socket reset the connection (`SO_LINGER` with a time of zero).
  package static func resetOnClose(_ fd: Int32) throws(Errno) {
    _ = try perform(.setsockopt) { cmx_reset_on_close(fd) }
  }

  /// How many sent bytes the peer hasn't acknowledged yet.
  package static func sendQueueLength(_ fd: Int32) throws(Errno) -> Int {
    var count: Int32 = 0
    _ = try perform(.ioctl) { unsafe cmx_send_queue_length(fd, &count) }
    return Int(count)
  }

  package static func shutdown(_ fd: Int32, _ how: Int32) throws(Errno) {
    _ = try perform(.shutdown) { CMultiplex.shutdown(fd, how) }
  }

  package static func getsockname(
    _ fd: Int32, _ address: UnsafeMutablePointer<sockaddr>, _ length: UnsafeMutablePointer<socklen_t>
  ) throws(Errno) {
    _ = try perform(.getsockname) { unsafe CMultiplex.getsockname(fd, address, length) }
  }

  package static func getpeername(
    _ fd: Int32, _ address: UnsafeMutablePointer<sockaddr>, _ length: UnsafeMutablePointer<socklen_t>
  ) throws(Errno) {
    _ = try perform(.getpeername) { unsafe CMultiplex.getpeername(fd, address, length) }
  }

  package static func setOption(_ fd: Int32, _ level: Int32, _ name: Int32, _ value: Int32) throws(Errno) {
    var value = value
    _ = try perform(.setsockopt) {
      unsafe setsockopt(fd, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
  }

  package static func option(_ fd: Int32, _ level: Int32, _ name: Int32) throws(Errno) -> Int32 {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    _ = try perform(.getsockopt) { unsafe getsockopt(fd, level, name, &value, &length) }
    return value
  }
}
