internal import CMultiplex
internal import Multiplex
internal import SystemPackage

/// What a stream socket is for.
enum SocketRole {
  case connection
  case listener
}

extension Socket {
  /// Refuses a socket that can't have a role: an adopted descriptor may be anything.
  ///
  /// - Parameters:
  ///   - role: What the socket is for.
  ///   - call: The operation that adopts it.
  /// - Throws: ``MultiplexError/Reason/closed``; `ENOTSOCK`; `EPROTOTYPE` for datagram sockets; `EINVAL` if the socket
  ///   has the other role. The latter three with advice.
  func check(for role: SocketRole, in call: String) throws(MultiplexError) {
    func refuse(_ errno: Errno, _ advice: String) -> MultiplexError {
      MultiplexError(
        call: call, descriptor: fileDescriptor, reason: .invalidArgument, errno: errno, advice: advice)
    }
    let type: Int32
    do {
      type = try value(of: .type)
    } catch let error where error.errno == .notSocket {
      throw refuse(.notSocket, "not a socket: use Reactor.readiness(of:for:) to wait for other files")
    }
    guard type == cmx_SOCK_STREAM else {
      throw refuse(.protocolWrongTypeForSocket, "not a stream socket: use UDPSocket or DatagramSocket")
    }
    switch (role, try value(of: .isListening)) {
    case (.connection, true): throw refuse(.invalidArgument, "a listening socket: use Listener")
    case (.listener, false): throw refuse(.invalidArgument, "not listening: use Connection for connected sockets")
    case (.connection, false), (.listener, true): break
    }
  }
}
