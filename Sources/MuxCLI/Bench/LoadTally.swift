/// The result of a run.
struct LoadTally {
  /// The latencies since each message was due, or was sent if there is no schedule.
  private(set) var latencies = Latencies()
  /// The latencies since each message was sent; nil without a schedule.
  private(set) var sinceSending: Latencies?
  private(set) var throughput = ThroughputSeries()
  /// The number of messages that have come back.
  private(set) var requests = 0
  /// The duration of the run, in nanoseconds.
  private(set) var elapsed = 0

  var losses: [Loss: Int] = [:]
  /// The number of messages that were sent, at least in part, and never came back because their connections were lost.
  var unanswered = 0
  /// The number of messages that were due but unsent at the end; 0 without a schedule.
  private(set) var unsent = 0
  /// Whether a signal has ended the run early.
  var isInterrupted = false

  init(hasSchedule: Bool) {
    if hasSchedule { sinceSending = Latencies() }
  }

  var lost: Int { losses.values.reduce(0, +) }

  /// Records the latency of one message, in nanoseconds.
  ///
  /// - Parameters:
  ///   - sinceDue: The time since it was due; nil without a schedule.
  ///   - latency: The time since it was sent.
  mutating func record(sinceDue: Int?, sinceSending latency: Int) {
    requests += 1
    latencies.record(sinceDue ?? latency)
    if sinceDue != nil { sinceSending?.record(latency) }
  }

  /// Records a message of a schedule that never came back, with the time for which it was awaited.
  mutating func recordUnanswered(sinceDue: Int) {
    latencies.record(sinceDue)
  }

  /// Records messages of a schedule that weren't sent, with the time that each of them has waited at least.
  mutating func recordUnsent(_ count: Int, sinceDue: Int) {
    unsent += count
    latencies.record(sinceDue, count: count)
  }

  /// Notes the number of requests so far.
  mutating func note(after time: Int) {
    throughput.append(.init(time: time, count: requests))
  }

  mutating func finish(after time: Int) {
    throughput.append(.init(time: time, count: requests), isLast: true)
    elapsed = time
  }
}
