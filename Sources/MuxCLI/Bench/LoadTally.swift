/// The result of a run.
struct LoadTally {
  /// Counted from when each message was due, or sent where there is no schedule.
  private(set) var latencies = Latencies()
  /// Counted from when each message was sent; nil where there is no schedule.
  private(set) var sinceSending: Latencies?
  private(set) var throughput = ThroughputSeries()
  /// How many messages are back.
  private(set) var requests = 0
  /// How long it took, in nanoseconds.
  private(set) var elapsed = 0

  var losses: [Loss: Int] = [:]
  /// Messages that were sent, at least in part, and never came back: their connections were lost.
  var unanswered = 0
  /// Messages that were due, and were not sent by the end; none where there is no schedule.
  private(set) var unsent = 0
  /// Whether a signal has ended it before its time.
  var isInterrupted = false

  init(hasSchedule: Bool) {
    if hasSchedule { sinceSending = Latencies() }
  }

  var lost: Int { losses.values.reduce(0, +) }

  /// Takes down one answer, in nanoseconds.
  ///
  /// - Parameter sinceDue: nil where there is no schedule.
  mutating func record(sinceDue: Int?, sinceSending latency: Int) {
    requests += 1
    latencies.record(sinceDue ?? latency)
    if sinceDue != nil { sinceSending?.record(latency) }
  }

  /// Takes down a message of a schedule that never came back, by how long it has been waited for.
  mutating func recordUnanswered(sinceDue: Int) {
    latencies.record(sinceDue)
  }

  /// Takes down messages of a schedule that were not sent, by how long each of them has waited at least.
  mutating func recordUnsent(_ count: Int, sinceDue: Int) {
    unsent += count
    latencies.record(sinceDue, count: count)
  }

  /// Takes down how far the run has come.
  mutating func note(after time: Int) {
    throughput.append(.init(time: time, count: requests))
  }

  mutating func finish(after time: Int) {
    note(after: time)
    elapsed = time
  }
}
