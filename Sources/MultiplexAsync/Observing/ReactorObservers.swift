public import Multiplex
public import SystemPackage

/// Several observers of one reactor, each notified of the events that it wants.
public struct ReactorObservers: ReactorObserver {
  private let subscriptions: [Subscription]

  /// Notifies all of these, in order. They are asked for their events here.
  public init(_ observers: [any ReactorObserver]) {
    subscriptions = observers.map(Subscription.init)
  }

  /// The events that any of the observers wants.
  public var events: ReactorEvents {
    subscriptions.reduce(into: []) { $0.formUnion($1.events) }
  }

  /// Notifies the observers that want ``ReactorEvents/turns``.
  public func ready(_ descriptor: FileDescriptor, for readiness: Readiness) {
    notify(.turns) { $0.ready(descriptor, for: readiness) }
  }

  /// Notifies the observers that want ``ReactorEvents/turns``.
  public func turnEnded(readyCount: Int) {
    notify(.turns) { $0.turnEnded(readyCount: readyCount) }
  }

  /// Notifies the observers that want ``ReactorEvents/failures``.
  public func waitFailed(because error: MultiplexError) {
    notify(.failures) { $0.waitFailed(because: error) }
  }

  /// Notifies the observers that want ``ReactorEvents/listeners``.
  public func listening(_ listener: ObservedListener) {
    notify(.listeners) { $0.listening(listener) }
  }

  /// Notifies the observers that want ``ReactorEvents/listeners``.
  public func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) {
    notify(.listeners) { $0.acceptFailed(listener, because: error) }
  }

  /// Notifies the observers that want ``ReactorEvents/listeners``.
  public func stoppedListening(_ listener: ObservedListener) {
    notify(.listeners) { $0.stoppedListening(listener) }
  }

  /// Notifies the observers that want ``ReactorEvents/connections``.
  public func connectFailed(to address: SocketAddress, because error: ConnectionError) {
    notify(.connections) { $0.connectFailed(to: address, because: error) }
  }

  /// Notifies the observers that want ``ReactorEvents/connections``.
  public func opened(_ connection: ObservedConnection) {
    notify(.connections) { $0.opened(connection) }
  }

  /// Notifies the observers that want ``ReactorEvents/connections``.
  public func closed(_ connection: ObservedConnection, because reason: CloseReason, unsent: Int) {
    notify(.connections) { $0.closed(connection, because: reason, unsent: unsent) }
  }

  /// Notifies the observers that want ``ReactorEvents/transfers``.
  public func received(_ count: Int, on connection: ObservedConnection) {
    notify(.transfers) { $0.received(count, on: connection) }
  }

  /// Notifies the observers that want ``ReactorEvents/transfers``.
  public func receivedEnd(on connection: ObservedConnection) {
    notify(.transfers) { $0.receivedEnd(on: connection) }
  }

  /// Notifies the observers that want ``ReactorEvents/transfers``.
  public func sent(_ count: Int, on connection: ObservedConnection) {
    notify(.transfers) { $0.sent(count, on: connection) }
  }

  /// Notifies the observers that want ``ReactorEvents/transfers``.
  public func queued(_ count: Int, on connection: ObservedConnection) {
    notify(.transfers) { $0.queued(count, on: connection) }
  }

  private func notify(_ events: ReactorEvents, _ body: (any ReactorObserver) -> Void) {
    for subscription in subscriptions where subscription.events.contains(events) { body(subscription.observer) }
  }
}
