import Multiplex

/// What is known about an open connection.
struct ConnectionRecord {
  let descriptor: Int32
  let peer: SocketAddress?
  /// When it was opened, and when something last happened on it, in nanoseconds: see ``MonotonicClock/now``.
  let openedAt: Int
  var activeAt: Int
  /// The bytes received and sent.
  var received = 0
  var sent = 0
  /// The bytes that wait to be sent.
  var queued = 0
}
