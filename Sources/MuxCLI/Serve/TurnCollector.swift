import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

/// Collects what happens in each turn of a reactor: what was registered, what was ready, what was done.
final class TurnCollector: ReactorObserver {
  fileprivate struct State {
    var turnCount = 0
    var registrations = Registrations()
    /// What was registered when the turn began.
    var registeredBefore: Registrations.Snapshot
    /// Whether that has changed since.
    var hasChanged = false
    var ready: Excerpt<(descriptor: Int32, readiness: Readiness)>
    var done: Excerpt<(descriptor: Int32, action: Action)>
    /// When the wait began, and when something first happened after it.
    var waitBegan = MonotonicClock.now
    var workBegan: Int?
  }

  private let limit: Int
  /// Whether connections are registered once, for reading and writing, as on backends with edge-triggered events.
  private let hasEdges: Bool
  private let report: @Sendable (Turn) -> Void
  /// Used only by the reactor's thread: the lock is never contended.
  private let state: Mutex<State>

  /// Makes the collector of a reactor.
  ///
  /// - Parameters:
  ///   - backend: The backend of the reactor.
  ///   - limit: The maximum number of entries that are kept of each list of a turn; with more descriptors registered,
  ///     they are only counted.
  ///   - report: Called on the reactor's thread at the end of each turn in which something happened.
  init(backend: Poller.Backend, limit: Int = .max, report: @escaping @Sendable (Turn) -> Void) {
    self.limit = limit
    self.report = report
    hasEdges = !backend.emulatedModes.contains(.edge)
    state = Mutex(State(registeredBefore: .each([]), ready: Excerpt(limit: limit), done: Excerpt(limit: limit)))
  }

  func ready(_ descriptor: FileDescriptor, for readiness: Readiness) {
    state.withLock { state in
      state.begin()
      state.ready.append((descriptor.rawValue, readiness))
    }
  }

  func turnEnded(readyCount: Int) {
    if let turn = state.withLock({ $0.endTurn(limit: limit) }) { report(turn) }
  }

  func listening(_ listener: ObservedListener) {
    state.withLock { $0.register(listener.descriptor, Registration(kind: .listener, interest: .read)) }
  }

  func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) {
    did(listener.descriptor, .refused(error))
  }

  func stoppedListening(_ listener: ObservedListener) {
    state.withLock { $0.register(listener.descriptor, nil) }
  }

  func opened(_ connection: ObservedConnection) {
    did(connection.descriptor, .accepted(connection.peer))
    expect(connection, queued: 0)
  }

  func closed(_ connection: ObservedConnection, because reason: CloseReason, unsent: Int) {
    did(connection.descriptor, .closed(reason))
    state.withLock { $0.register(connection.descriptor, nil) }
  }

  func received(_ count: Int, on connection: ObservedConnection) {
    moved(connection) { received, _, _ in received += count }
  }

  func receivedEnd(on connection: ObservedConnection) {
    did(connection.descriptor, .endOfInput)
  }

  func sent(_ count: Int, on connection: ObservedConnection) {
    moved(connection) { _, sent, _ in sent += count }
  }

  func queued(_ count: Int, on connection: ObservedConnection) {
    moved(connection) { _, _, queued in queued = count }
    expect(connection, queued: count)
  }
}

extension TurnCollector {
  private func did(_ descriptor: FileDescriptor, _ action: Action) {
    state.withLock { state in
      state.begin()
      state.done.append((descriptor.rawValue, action))
    }
  }

  private func moved(
    _ connection: ObservedConnection, _ add: (_ received: inout Int, _ sent: inout Int, _ queued: inout Int) -> Void
  ) {
    state.withLock { state in
      state.begin()
      state.move(connection.descriptor.rawValue, add)
    }
  }

  private func expect(_ connection: ObservedConnection, queued: Int) {
    let interest: Interest = hasEdges || queued > 0 ? .read | .write : .read
    state.withLock { $0.register(connection.descriptor, Registration(kind: .client, interest: interest)) }
  }
}

extension TurnCollector.State {
  /// Notes when the wait of this turn ended.
  fileprivate mutating func begin() {
    if workBegan == nil { workBegan = MonotonicClock.now }
  }

  fileprivate mutating func register(_ descriptor: FileDescriptor, _ registration: Registration?) {
    guard registrations[descriptor.rawValue] != registration else { return }
    registrations[descriptor.rawValue] = registration
    hasChanged = true
  }

  /// Notes bytes that moved on a connection. Consecutive moves on the same connection become one.
  fileprivate mutating func move(
    _ descriptor: Int32, _ add: (_ received: inout Int, _ sent: inout Int, _ queued: inout Int) -> Void
  ) {
    var (received, sent, queued) = (0, 0, 0)
    var isConsecutive = false
    if let last = done.last, last.descriptor == descriptor,
      case .moved(let receivedBefore, let sentBefore, let queuedBefore) = last.action
    {
      (received, sent, queued) = (receivedBefore, sentBefore, queuedBefore)
      isConsecutive = true
    }
    add(&received, &sent, &queued)
    let move = (descriptor: descriptor, action: Action.moved(received: received, sent: sent, queued: queued))
    if isConsecutive { done.replaceLast(with: move) } else { done.append(move) }
  }

  /// Ends a turn.
  ///
  /// - Returns: The turn; nil if nothing happened.
  fileprivate mutating func endTurn(limit: Int) -> Turn? {
    let now = MonotonicClock.now
    defer {
      (ready, done) = (Excerpt(limit: limit), Excerpt(limit: limit))
      (waitBegan, workBegan) = (now, nil)
      if hasChanged { (registeredBefore, hasChanged) = (registrations.snapshot(upTo: limit), false) }
    }
    guard let workBegan else { return nil }
    turnCount += 1
    return Turn(
      number: turnCount, registered: registeredBefore, ready: ready, done: done, waited: workBegan - waitBegan,
      worked: now - workBegan)
  }
}
