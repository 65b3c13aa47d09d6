import Multiplex

/// How many open TCP sockets over IPv4 have this local port, as the kernel lists them.
func heldSockets(at address: SocketAddress) throws -> Int {
  try ListedSocket.all(port: port(of: address)).count { $0.isHeld }
}

/// How many open TCP sockets over IPv4 have this remote port, as the kernel lists them.
func heldSockets(to address: SocketAddress) throws -> Int {
  try ListedSocket.all(otherPort: port(of: address)).count { $0.isHeld }
}

private func port(of address: SocketAddress) throws -> UInt16 {
  guard case .ipv4(_, let port) = address else { throw NoPort() }
  return port
}

private struct NoPort: Error {}
