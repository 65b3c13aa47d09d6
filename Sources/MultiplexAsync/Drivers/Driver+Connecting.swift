internal import Multiplex

extension Driver {
  func connect(
    _ socket: Socket, to address: SocketAddress, _ body: @escaping (Result<Void, MultiplexError>) -> Void
  ) throws(MultiplexError) -> (any CancellableWait)? {
    try connectByReadiness(socket, to: address, body)
  }

  /// Connects by a call that doesn't wait, and one that asks for the outcome once the socket is writable.
  func connectByReadiness(
    _ socket: Socket, to address: SocketAddress, _ body: @escaping (Result<Void, MultiplexError>) -> Void
  ) throws(MultiplexError) -> (any CancellableWait)? {
    do {
      guard try !socket.beginConnecting(to: address) else {
        body(.success(()))
        return nil
      }
    } catch {
      body(.failure(error))
      return nil
    }
    return try awaitReadiness(of: socket.rawDescriptor, for: .write) { _ in
      body(Result { () throws(MultiplexError) in try socket.finishConnecting() })
    }
  }
}
