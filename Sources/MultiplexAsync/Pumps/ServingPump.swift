internal import Multiplex

/// Serves a connection of a listener, as a task would: calls a handler with what is received, then closes.
final class ServingPump: ChunkPump, @unchecked Sendable {
  private let listener: Listener
  /// The listener's number for the connection.
  private let slot: ServedConnections.Slot

  /// Makes a pump whose waits are those of the connection's owner.
  init(
    on connection: Connection, by handler: ChunkHandler, for listener: Listener,
    slot: ServedConnections.Slot
  ) {
    self.listener = listener
    self.slot = slot
    super.init(on: connection, id: .owner, by: handler)
    if let onClose = handler.onClose {
      // Only the reactor's thread calls it.
      nonisolated(unsafe) let onClose = onClose
      connection.onClose { unsafe onClose($0) }
    }
  }

  override func didEnd(_ error: ConnectionError?) {
    if let failure = thrown ?? error {
      core.abort(because: core.isServiceCancelled(.owner) ? .shutDown : .failed(failure))
      return leave()
    }
    if input.closeIfFlushed() { return leave() }
    core.endOutput()
    core.awaitOutput(
      .flush, .owner,
      .call { [self] failure in
        core.close(afterFlush: failure, ifCancelled: .shutDown)
        leave()
      })
  }

  private func leave() {
    listener.end(slot)
  }
}
