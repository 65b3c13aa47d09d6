internal import CMultiplex
public import Multiplex
internal import SystemPackage

/// Lends an address of this machine where nobody listens, nor will meanwhile: the port is taken, by a socket that doesn't
/// listen.
public func withUnusedAddress<Value>(_ body: (SocketAddress) throws -> Value) throws -> Value {
  let descriptor = FileDescriptor(rawValue: try Kernel.socket(AF_INET, cmx_SOCK_STREAM))
  let socket = Socket(adopting: OwnedDescriptor(adopting: descriptor))
  defer { socket.close() }
  try unsafe SocketAddress.ipv4(.loopback, port: 0).withSockaddr { raw, length throws(Errno) in
    try unsafe Kernel.bind(descriptor.rawValue, raw, length)
  }
  return try body(socket.localAddress())
}
