import Multiplex
import MultiplexAsync
import Synchronization

/// Two connections, each of which receives what the other sends.
final class RelayedPair: Sendable {
  private let client: Connection
  private let target: Connection
  private let idleTimeout: Duration?
  private let lastActivity = Mutex(ContinuousClock.now)
  /// Whether bytes have moved since the last ``closeIfIdle()``.
  private let hasMoved = Atomic(true)
  /// Whether the client sent last: it may be waiting for a reply, however long that takes.
  private let awaitsReply = Atomic(false)
  /// Whether one side has finished: it may be waiting for the other's reply, however long that takes.
  private let isHalfClosed = Atomic(false)
  /// Whether both sides are being closed though neither has finished.
  private let isClosing = Atomic(false)

  init(_ client: Connection, _ target: Connection, idleTimeout: Duration?) {
    self.client = client
    self.target = target
    self.idleTimeout = idleTimeout
  }

  /// Forwards until both sides have finished, or one of them fails. Called by the task that serves the client.
  func run() async {
    let watch = idleTimeout.map { limit in Task { await self.closeWhenIdle(for: limit) } }
    await withDiscardingTaskGroup { group in
      group.addTask(executorPreference: self.target.reactor) { await self.forwardFromTarget() }
      await forward(from: client, to: target)
    }
    watch?.cancel()
    await client.close()
    await target.close()
  }

  /// Forwards from the target in a task that serves it, as the other task serves the client. That way, neither has to
  /// install a cancellation handler for each message.
  private func forwardFromTarget() async {
    // The closure throws nothing.
    try? await target.serve { target in await self.forward(from: target, to: self.client) }
  }

  /// Forwards one direction to its end, and passes the end on. A failure aborts both connections, so that neither peer
  /// takes half of a conversation for the whole.
  private func forward(from source: Connection, to destination: Connection) async {
    do {
      let isClient = source === client
      try await source.forward(to: destination) { _ in self.noteActivity(ofClient: isClient) }
      try await destination.closeWrite()
      isHalfClosed.store(true, ordering: .relaxed)
    } catch {
      guard !isClosing.load(ordering: .relaxed) else { return }
      client.abort()
      target.abort()
    }
  }

  /// Closes both sides, if neither has finished, nothing is queued for either, and nothing has moved since the last
  /// call. The first call closes nothing.
  func closeIfIdle() async {
    guard !hasMoved.exchange(false, ordering: .relaxed), !isHalfClosed.load(ordering: .relaxed),
      !awaitsReply.load(ordering: .relaxed)
    else { return }
    guard await client.queuedCount == 0, await target.queuedCount == 0 else { return }
    isClosing.store(true, ordering: .relaxed)
    // The kernel still delivers the bytes that it holds.
    await client.close()
    await target.close()
  }

  private func noteActivity(ofClient: Bool) {
    hasMoved.store(true, ordering: .relaxed)
    awaitsReply.store(ofClient, ordering: .relaxed)
    guard idleTimeout != nil else { return }
    lastActivity.withLock { $0 = .now }
  }

  private func closeWhenIdle(for limit: Duration) async {
    while true {
      let deadline = lastActivity.withLock { $0 } + limit
      guard deadline > .now else { break }
      do { try await client.reactor.sleep(until: deadline) } catch { return }
    }
    client.abort()
    target.abort()
  }
}
