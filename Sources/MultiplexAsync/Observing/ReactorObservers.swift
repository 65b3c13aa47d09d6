public import Multiplex
public import SystemPackage

/// Several observers of one reactor, each told what it wants to know.
public struct ReactorObservers: ReactorObserver {
  private let subscriptions: [Subscription]

  /// Tells all of these, in their order. What they want to know is asked here.
  public init(_ observers: [any ReactorObserver]) {
    subscriptions = observers.map(Subscription.init)
  }

  /// What any of the observers wants to know.
  public var events: ReactorEvents {
    subscriptions.reduce(into: []) { $0.formUnion($1.events) }
  }

  /// Tells those who want to know of ``ReactorEvents/turns``.
  public func ready(_ descriptor: FileDescriptor, for readiness: Readiness) {
    tell(.turns) { $0.ready(descriptor, for: readiness) }
  }

  /// Tells those who want to know of ``ReactorEvents/turns``.
  public func turnEnded(readyCount: Int) {
    tell(.turns) { $0.turnEnded(readyCount: readyCount) }
  }

  /// Tells those who want to know of ``ReactorEvents/listeners``.
  public func listening(_ listener: ObservedListener) {
    tell(.listeners) { $0.listening(listener) }
  }

  /// Tells those who want to know of ``ReactorEvents/listeners``.
  public func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) {
    tell(.listeners) { $0.acceptFailed(listener, because: error) }
  }

  /// Tells those who want to know of ``ReactorEvents/listeners``.
  public func stoppedListening(_ listener: ObservedListener) {
    tell(.listeners) { $0.stoppedListening(listener) }
  }

  /// Tells those who want to know of ``ReactorEvents/connections``.
  public func opened(_ connection: ObservedConnection) {
    tell(.connections) { $0.opened(connection) }
  }

  /// Tells those who want to know of ``ReactorEvents/connections``.
  public func closed(_ connection: ObservedConnection, because reason: CloseReason, unsent: Int) {
    tell(.connections) { $0.closed(connection, because: reason, unsent: unsent) }
  }

  /// Tells those who want to know of ``ReactorEvents/transfers``.
  public func received(_ count: Int, on connection: ObservedConnection) {
    tell(.transfers) { $0.received(count, on: connection) }
  }

  /// Tells those who want to know of ``ReactorEvents/transfers``.
  public func receivedEnd(on connection: ObservedConnection) {
    tell(.transfers) { $0.receivedEnd(on: connection) }
  }

  /// Tells those who want to know of ``ReactorEvents/transfers``.
  public func sent(_ count: Int, on connection: ObservedConnection) {
    tell(.transfers) { $0.sent(count, on: connection) }
  }

  /// Tells those who want to know of ``ReactorEvents/transfers``.
  public func queued(_ count: Int, on connection: ObservedConnection) {
    tell(.transfers) { $0.queued(count, on: connection) }
  }

  private func tell(_ events: ReactorEvents, _ body: (any ReactorObserver) -> Void) {
    for subscription in subscriptions where subscription.events.contains(events) { body(subscription.observer) }
  }
}
