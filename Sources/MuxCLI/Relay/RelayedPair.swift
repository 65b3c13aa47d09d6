import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

/// Two connections, each of which receives what the other sends.
final class RelayedPair: Sendable {
  /// How long the delivery of the last bytes may make no progress once a side has failed.
  private static let patience = Duration.seconds(2)
  /// How often that progress is checked.
  private static let checkInterval = Duration.milliseconds(10)

  private let client: Connection
  private let target: Connection
  private let idleTimeout: Duration?
  private let lastActivity = Mutex(ContinuousClock.now)
  /// Whether bytes have moved since the last ``endIfIdle()``.
  private let hasMoved = Atomic(true)
  /// Whether the client sent last: it may be waiting for a reply, however long that takes.
  private let awaitsReply = Atomic(false)
  /// Whether one side has finished: it may be waiting for the other's reply, however long that takes.
  private let isHalfClosed = Atomic(false)
  /// Whether the target was told that the client has finished, though it hasn't.
  private let isEnding = Atomic(false)
  /// Whether both sides are being closed, as the target has finished after that.
  private let isClosing = Atomic(false)
  /// Whether one side has failed. Both are aborted, so that neither peer takes half of a conversation for the whole, but
  /// not before they have got what was sent until then.
  private let hasFailed = Atomic(false)
  private let openDirections = Atomic(2)

  init(_ client: Connection, _ target: Connection, idleTimeout: Duration?) {
    self.client = client
    self.target = target
    self.idleTimeout = idleTimeout
  }

  /// Forwards until both sides have finished, or one of them fails. Called by the task that serves the client.
  func run() async {
    let watch = idleTimeout.map { limit in Task { await self.abortWhenIdle(for: limit) } }
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

  /// Forwards one direction to its end, and passes the end on, or ends both directions if it has failed.
  private func forward(from source: Connection, to destination: Connection) async {
    let error = await forwardToEnd(from: source, to: destination)
    let isLast = openDirections.subtract(1, ordering: .relaxed).newValue == 0
    guard !isClosing.load(ordering: .relaxed) else { return }
    if error != nil { hasFailed.store(true, ordering: .relaxed) }
    guard hasFailed.load(ordering: .relaxed) else { return await closeIfOver(after: source) }
    guard let error, error.operation != .read else { return await abort(afterDeliveryTo: destination) }
    // The destination takes nothing more, but it may have sent something before.
    if isLast { await abort(afterDeliveryTo: source) } else { await awaitOtherDirection() }
  }

  private func forwardToEnd(from source: Connection, to destination: Connection) async -> ConnectionError? {
    do {
      let isClient = source === client
      try await source.forward(to: destination) { _ in self.noteActivity(ofClient: isClient) }
      // Where nothing more arrives, an end isn't a proper one.
      guard !hasFailed.load(ordering: .relaxed) else { return nil }
      try await destination.closeWrite()
      isHalfClosed.store(true, ordering: .relaxed)
      return nil
    } catch {
      return error
    }
  }

  /// Ends the client's direction, if the client waits for no reply, neither side has finished, nothing is queued for
  /// either, and nothing has moved since the last call. The first call ends nothing.
  ///
  /// The client gets the end of input only from the target: nobody else knows whether a reply has ended, or pauses.
  func endIfIdle() async {
    guard !isHalfClosed.load(ordering: .relaxed), !awaitsReply.load(ordering: .relaxed),
      !hasFailed.load(ordering: .relaxed), !isEnding.load(ordering: .relaxed),
      !hasMoved.exchange(false, ordering: .relaxed)
    else { return }
    guard await client.queuedCount == 0, await target.queuedCount == 0 else { return }
    isEnding.store(true, ordering: .relaxed)
    // If the target is gone, its own direction fails.
    try? await target.closeWrite()
  }

  /// Closes both sides, if the target has finished and the client's direction was ended: the client may never finish.
  private func closeIfOver(after source: Connection) async {
    guard source === target, isEnding.load(ordering: .relaxed) else { return }
    isClosing.store(true, ordering: .relaxed)
    // The kernel still delivers the bytes that it holds.
    await client.close()
    await target.close()
  }

  /// Aborts both sides: neither peer takes what it got for the whole.
  func abort() {
    client.abort()
    target.abort()
  }

  private func noteActivity(ofClient: Bool) {
    hasMoved.store(true, ordering: .relaxed)
    awaitsReply.store(ofClient, ordering: .relaxed)
    guard idleTimeout != nil else { return }
    lastActivity.withLock { $0 = .now }
  }
}

// MARK: - The idle timeout

extension RelayedPair {
  /// Aborts both sides once nothing has moved for the limit.
  ///
  /// There is no event for bytes that a peer takes from the kernel. Whether there are fewer of them is checked when the
  /// time is up, so it may take twice the limit to notice that a peer has stopped taking them.
  private func abortWhenIdle(for limit: Duration) async {
    var start = ContinuousClock.now
    // What the peers had yet to take at the last check; 0 if something has moved since.
    var lastCount = 0
    while (try? await client.reactor.sleep(until: start + limit)) != nil {
      let last = lastActivity.withLock { $0 }
      guard last <= start else {
        (start, lastCount) = (last, 0)
        continue
      }
      let count = await client.untakenCount + target.untakenCount
      let mayBeTaking = count < lastCount || lastCount == 0 && count > 0
      guard mayBeTaking else { return abort() }
      (start, lastCount) = (.now, count)
    }
  }
}

// MARK: - When one side has failed

extension RelayedPair {
  /// Waits for the direction that still forwards, which then aborts both connections. They are aborted here if nothing
  /// has moved for a while: the failed side may never end, and the other may read nothing.
  private func awaitOtherDirection() async {
    var deadline = ContinuousClock.now + Self.patience
    while openDirections.load(ordering: .relaxed) > 0 {
      if hasMoved.exchange(false, ordering: .relaxed) { deadline = .now + Self.patience }
      guard .now < deadline, await pauseForDelivery() else { return abort() }
    }
  }

  /// Aborts both connections once one of them has got everything that was sent to it, or takes nothing for a while: an
  /// abort drops what the kernel has yet to deliver.
  private func abort(afterDeliveryTo connection: Connection) async {
    var least = Int.max
    var deadline = ContinuousClock.now + Self.patience
    while true {
      let count = await Self.undelivered(to: connection)
      if count < least { (least, deadline) = (count, .now + Self.patience) }
      guard count > 0, .now < deadline, await pauseForDelivery() else { return abort() }
    }
  }

  /// - Returns: Whether to go on; false if the relay gives up its connections.
  private func pauseForDelivery() async -> Bool {
    (try? await client.reactor.sleep(for: Self.checkInterval)) != nil
  }

  /// Returns how many bytes a peer hasn't been given yet; 0 once the connection is closed.
  private static func undelivered(to connection: Connection) async -> Int {
    // What is in the queue of a Unix socket, its peer has already been given.
    if case .unix = connection.peerAddress { return await connection.queuedCount }
    return await connection.untakenCount
  }
}
