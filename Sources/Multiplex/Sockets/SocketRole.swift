internal import CMultiplex
internal import SystemPackage

/// What a stream socket is for.
package enum SocketRole {
  case connection
  case listener
}

extension Socket {
  /// Refuses a descriptor that can't be in that role: whatever was taken over may be anything.
  ///
  /// - Parameter call: The operation that takes it over.
  /// - Throws: `ENOTSOCK`, `EPROTOTYPE` for datagrams, `EINVAL` in the other role; each with the advice that helps.
  package func check(for role: SocketRole, in call: String) throws(MultiplexError) {
    func refuse(_ errno: Errno, _ advice: String) -> MultiplexError {
      MultiplexError(
        call: call, descriptor: fileDescriptor, reason: .invalidArgument, errno: errno, advice: advice)
    }
    guard try value(of: .type) == cmx_SOCK_STREAM else {
      throw refuse(.protocolWrongTypeForSocket, "it is no stream: UDP has sockets of its own")
    }
    switch (role, try value(of: .isListening)) {
    case (.connection, true): throw refuse(.invalidArgument, "it listens: a Listener adopts it")
    case (.listener, false): throw refuse(.invalidArgument, "it doesn't listen: a Connection adopts what is connected")
    case (.connection, false), (.listener, true): break
    }
  }
}
