internal import CMultiplex
public import Multiplex
internal import SystemPackage

/// An address of this machine where nobody listens or will listen during its lifetime: a socket that doesn't listen
/// occupies the port.
public final class UnusedAddress {
  /// An IPv4 address.
  public let address: SocketAddress
  private let socket: Socket

  /// Takes a free port.
  public init() throws {
    let descriptor = FileDescriptor(rawValue: try Kernel.socket(AF_INET, cmx_SOCK_STREAM))
    socket = Socket(adopting: OwnedDescriptor(adopting: descriptor))
    try unsafe SocketAddress.ipv4(.loopback, port: 0).withSockaddr { raw, length throws(Errno) in
      try unsafe Kernel.bind(descriptor.rawValue, raw, length)
    }
    address = try socket.localAddress()
  }
}
