import Foundation
import Multiplex

/// How many TCP sockets over IPv4 with this port on their own side some process has open, as the kernel lists them.
func heldSockets(at address: SocketAddress) throws -> Int {
  try heldSockets(column: 1, address)
}

/// How many TCP sockets over IPv4 with this port on the other side some process has open, as the kernel lists them.
func heldSockets(to address: SocketAddress) throws -> Int {
  try heldSockets(column: 2, address)
}

private func heldSockets(column: Int, _ address: SocketAddress) throws -> Int {
  guard case .ipv4(_, let port) = address else { throw NoPort() }
  let suffix = ":" + String(Int(port) + 0x1_0000, radix: 16, uppercase: true).dropFirst()
  let table = try String(contentsOfFile: "/proc/self/net/tcp", encoding: .utf8)
  return table.split(separator: "\n").dropFirst().count { line in
    let fields = line.split(separator: " ")
    // Those that nobody has open any more, but that TCP still remembers, have the inode 0.
    return fields.count > 9 && fields[column].hasSuffix(suffix) && fields[9] != "0"
  }
}

private struct NoPort: Error {}
