import Multiplex
import SystemPackage

extension MultiplexError {
  /// What to do about an address that can't be connected to or listened at, where this tool knows more than the library:
  /// its advice is for programs, and fits every kind of address.
  var adviceOnAddress: String? {
    guard let subject, ["connect", "bind"].contains(call) else { return nil }
    // The path of a Unix socket is given as it is.
    let address = try? SocketAddress(subject)
    switch (call, errno, address) {
    case ("connect", .permissionDenied, .ipv4), ("connect", .permissionDenied, .ipv6):
      return "a firewall may forbid it"
    case ("connect", .permissionDenied, _):
      return "the socket's file must be writable for you, and its directory accessible"
    case (_, .invalidArgument, .ipv6(let address, let port, 0)) where address.isLinkLocal:
      return "a link-local address needs its interface: [\(address)%eth0]:\(port), for example"
    default:
      return nil
    }
  }
}

extension IPv6Address {
  /// Whether it is valid on one link only: fe80::/10.
  fileprivate var isLinkLocal: Bool { high >> 54 == 0xfe80 >> 6 }
}
