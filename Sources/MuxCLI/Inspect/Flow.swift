/// What has passed through a thread so far, or within a time.
struct Flow {
  /// The bytes received and sent.
  var received = 0
  var sent = 0
  /// The turns of the loop, and the descriptors that were ready in them.
  var turns = 0
  var ready = 0
  /// The time in which the thread didn't wait, in nanoseconds.
  var working = 0

  static func + (left: Flow, right: Flow) -> Flow {
    Flow(
      received: left.received + right.received, sent: left.sent + right.sent, turns: left.turns + right.turns,
      ready: left.ready + right.ready, working: left.working + right.working)
  }

  static func - (later: Flow, earlier: Flow) -> Flow {
    Flow(
      received: later.received - earlier.received, sent: later.sent - earlier.sent, turns: later.turns - earlier.turns,
      ready: later.ready - earlier.ready, working: later.working - earlier.working)
  }
}
