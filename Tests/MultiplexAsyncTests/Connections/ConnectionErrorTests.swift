import Multiplex
import MultiplexAsync
import SystemPackage
import Testing

@Suite("ConnectionError")
struct ConnectionErrorTests {
  private static let address = SocketAddress.ipv4(.loopback, port: 9999)

  @Test(
    "a connection error says what was being done, with which peer, and what happened",
    arguments: [
      (ConnectionError(.refused, during: .connect, peer: address), "connect 127.0.0.1:9999: connection refused"),
      (ConnectionError(.timedOut, during: .connect, peer: address), "connect 127.0.0.1:9999: timed out"),
      (ConnectionError(.timedOut, during: .read, peer: nil), "read: idle for too long, or the peer doesn't answer"),
      (
        ConnectionError(.closed, during: .write, peer: .unix(path: "")),
        "write an unnamed Unix socket: the connection was closed locally"
      ),
      (ConnectionError(.system(.noMemory), during: .receive, peer: nil), "receive: \(Errno.noMemory)"),
      (
        ConnectionError(.system(.messageTooLong), during: .send, peer: address),
        "send 127.0.0.1:9999: \(Errno.messageTooLong); "
          + "a datagram can have at most 65,507 bytes over IPv4, and 65,527 over IPv6"
      ),
    ])
  func description(error: ConnectionError, text: String) {
    #expect(error.description == text)
  }
}
