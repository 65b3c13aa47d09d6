internal import Multiplex
internal import SystemPackage

/// Handlers of completions, and the descriptors that they own.
extension CompletionDriver {
  func insert(_ handler: any CompletionHandler) -> HandlerTable.Slot {
    handlers.insert(handler)
  }

  /// Removes a handler that has no operation in progress.
  func remove(_ slot: HandlerTable.Slot) {
    handlers.remove(slot)
  }

  func makeChannel(_ descriptor: consuming OwnedDescriptor, isUnix: Bool) throws(MultiplexError) -> any Channel {
    handOver(descriptor.fileDescriptor)
    return CompletionChannel(descriptor, driver: self)
  }

  func makeAcceptor(_ descriptor: consuming OwnedDescriptor) throws(MultiplexError) -> any Acceptor {
    handOver(descriptor.fileDescriptor)
    return CompletionAcceptor(descriptor, driver: self)
  }

  func connect(
    _ socket: Socket, to address: SocketAddress, _ body: @escaping (Result<Void, MultiplexError>) -> Void
  ) throws(MultiplexError) -> (any CancellableWait)? {
    // A Unix socket is connected immediately or not at all; the ring would wait for a listener that is full.
    if address.isUnix { return try connectByReadiness(socket, to: address, body) }
    return CompletionConnect.start(socket, to: address, on: self, body)
  }

  /// Takes ownership of a descriptor, and ends waits for its number.
  private func handOver(_ descriptor: FileDescriptor) {
    owned[descriptor.rawValue] = true
    // Most reactors have no such waits: skipping the lookup saves time for each connection.
    if !polls.isEmpty { polls[descriptor]?.forEach { $0.end() } }
  }

  /// Gives up a descriptor that is closed, or is about to be.
  func disown(_ descriptor: FileDescriptor) {
    owned[descriptor.rawValue] = false
  }
}
