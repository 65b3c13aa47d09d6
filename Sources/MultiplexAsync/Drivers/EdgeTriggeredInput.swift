internal import Multiplex

/// What is known about the input of a socket whose events are edge-triggered: none is repeated, so a receive must be
/// tried whenever there may be something that no further event announces.
struct EdgeTriggeredInput {
  /// False after a receive has emptied the socket, and initially, as data that is there when the socket is registered
  /// causes an event too.
  private var mayReceive = false
  /// Whether the peer has finished or reset the connection, or sent out-of-band data: then every receive is worth
  /// trying, as no further event reports what follows the bytes that it ends with.
  private var isEnding = false

  /// Whether a receive is worth trying.
  var isWorthReceiving: Bool { mayReceive || isEnding }

  /// An event has announced something.
  mutating func note(_ readiness: Readiness) {
    if readiness.isReadable { mayReceive = true }
    if !readiness.isDisjoint(with: [.readClosed, .hangUp, .error, .priority]) { isEnding = true }
  }

  /// Something was received.
  mutating func noteReceived(hasMore: Bool) {
    mayReceive = hasMore
  }

  /// A receive has found nothing: an event will announce what follows.
  mutating func noteEmpty() {
    mayReceive = false
    isEnding = false
  }

  /// The socket can't be used any more: every call fails.
  mutating func noteFailure() {
    isEnding = true
  }
}
