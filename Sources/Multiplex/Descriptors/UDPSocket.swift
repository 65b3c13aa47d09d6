internal import CMultiplex
package import SystemPackage

/// A UDP socket: non-blocking, close-on-exec. Each call sends or takes one datagram.
package struct UDPSocket: ~Copyable, Selectable {
  private let descriptor: OwnedDescriptor

  /// Opens a socket for addresses of the given one's family.
  private init(for address: SocketAddress) throws(MultiplexError) {
    guard address.port != nil else {
      throw .outOfRange(
        address.description, for: "socket", advice: "UDP has IP addresses with a port, such as 127.0.0.1:9999")
    }
    do {
      descriptor = OwnedDescriptor(adopting: try Kernel.socket(address.family, cmx_SOCK_DGRAM))
    } catch {
      throw MultiplexError(call: "socket", subject: address.description, errno: error)
    }
  }

  /// Opens a socket that takes what is sent to an address. An IPv6 address takes IPv6 datagrams only.
  package static func bound(to address: SocketAddress, reusePort: Bool) throws(MultiplexError) -> UDPSocket {
    let socket = try UDPSocket(for: address)
    if case .ipv6 = address { try socket.set(.ipv6Only, to: 1) }
    if reusePort { try socket.set(.reusePort, to: 1) }
    try unsafe socket.call("bind", on: address, Kernel.bind)
    return socket
  }

  /// Opens a socket that exchanges datagrams with one address alone.
  package static func connected(to address: SocketAddress) throws(MultiplexError) -> UDPSocket {
    let socket = try UDPSocket(for: address)
    try unsafe socket.call("connect", on: address, Kernel.connect)
    return socket
  }

  /// The lent descriptor.
  package var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

  /// The socket's own address, with the port that the kernel chose.
  package func localAddress() throws(MultiplexError) -> SocketAddress {
    try Socket.localAddress(of: fileDescriptor)
  }

  /// Sets an option.
  package func set(_ option: SocketOption, to value: Int32) throws(MultiplexError) {
    try option.set(to: value, on: fileDescriptor)
  }

  /// Takes the next datagram.
  ///
  /// - Returns: Its length, and its sender; nil if none has come.
  package func receive(
    into buffer: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> (count: Int, sender: SocketAddress?)? {
    try transfer { () throws(Errno) in
      var count = 0
      let sender = try unsafe SocketAddress.written { (raw, length) throws(Errno) in
        count = try unsafe Kernel.receiveFrom(rawDescriptor, buffer, raw, length)
      }
      return (count, sender)
    }
  }

  /// Sends a datagram.
  ///
  /// - Parameter address: nil for a connected socket.
  /// - Returns: False if there is no room now.
  package func send(_ bytes: [UInt8], to address: SocketAddress?) throws(Errno) -> Bool {
    try transfer { () throws(Errno) in try sendOnce(bytes, to: address) } != nil
  }

  private func sendOnce(_ bytes: [UInt8], to address: SocketAddress?) throws(Errno) {
    // Any bytes are valid bytes.
    let span = unsafe bytes.span.bytes
    try unsafe span.withUnsafeBytes { bytes throws(Errno) in
      guard let address else { return try unsafe Kernel.sendTo(rawDescriptor, bytes, nil, 0) }
      try unsafe address.withSockaddr { (raw, length) throws(Errno) in
        try unsafe Kernel.sendTo(rawDescriptor, bytes, raw, length)
      }
    }
  }
}
