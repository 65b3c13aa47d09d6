/// What passes through one or more threads per second.
struct FlowRates {
  let received: Double
  let sent: Double
  let turns: Double
  /// The mean number of descriptors that a turn found ready.
  let readyPerTurn: Double
  /// The share of the time in which a thread didn't wait, from 0 to 1.
  let busy: Double

  /// Makes the rates of what passed within some nanoseconds; zero if no time has passed.
  init(_ flow: Flow, in nanoseconds: Int, threads: Int = 1) {
    func perSecond(_ count: Int) -> Double {
      nanoseconds > 0 ? Double(count) * Double(MonotonicClock.second) / Double(nanoseconds) : 0
    }
    received = perSecond(flow.received)
    sent = perSecond(flow.sent)
    turns = perSecond(flow.turns)
    readyPerTurn = flow.turns > 0 ? Double(flow.ready) / Double(flow.turns) : 0
    busy = min(perSecond(flow.working) / Double(MonotonicClock.second) / Double(max(threads, 1)), 1)
  }
}
