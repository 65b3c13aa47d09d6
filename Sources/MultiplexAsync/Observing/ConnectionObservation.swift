internal import Multiplex
internal import Synchronization
internal import SystemPackage

/// Notifies an observer about one connection. Belongs to its event loop's thread.
final class ConnectionObservation {
  private static let lastID = Atomic<UInt64>(0)

  private let observer: any ReactorObserver
  private let events: ReactorEvents
  private let connection: ObservedConnection
  private var queuedCount = 0
  private var hasEnded = false

  /// Nil unless the observer wants these events. Not a failable initializer: that would allocate first.
  static func begin(
    for subscription: Subscription?, descriptor: Int32, peer: SocketAddress?, origin: ObservedConnection.Origin
  ) -> ConnectionObservation? {
    guard let subscription, !subscription.events.isDisjoint(with: [.connections, .transfers]) else { return nil }
    return ConnectionObservation(subscription, descriptor: descriptor, peer: peer, origin: origin)
  }

  /// Reports that the connection is open.
  private init(
    _ subscription: Subscription, descriptor: Int32, peer: SocketAddress?, origin: ObservedConnection.Origin
  ) {
    observer = subscription.observer
    events = subscription.events
    connection = ObservedConnection(
      id: Self.lastID.add(1, ordering: .relaxed).newValue, descriptor: FileDescriptor(rawValue: descriptor),
      peer: peer, origin: origin)
    if events.contains(.connections) { observer.opened(connection) }
  }

  func received(_ count: Int) {
    if events.contains(.transfers) { observer.received(count, on: connection) }
  }

  func receivedEnd() {
    guard !hasEnded, events.contains(.transfers) else { return }
    hasEnded = true
    observer.receivedEnd(on: connection)
  }

  func sent(_ count: Int) {
    if events.contains(.transfers) { observer.sent(count, on: connection) }
  }

  func queued(_ count: Int) {
    guard count != queuedCount else { return }
    queuedCount = count
    if events.contains(.transfers) { observer.queued(count, on: connection) }
  }

  func closed(because reason: CloseReason, unsent: Int) {
    if events.contains(.connections) { observer.closed(connection, because: reason, unsent: unsent) }
  }
}
