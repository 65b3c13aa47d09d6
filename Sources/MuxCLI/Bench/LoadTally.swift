/// The result of a run.
struct LoadTally {
  /// The latencies since each message was due, or was sent if there is no schedule.
  private(set) var latencies = Latencies()
  /// The latencies since each message was sent; nil without a schedule.
  private(set) var sinceSending: Latencies?
  private(set) var throughput = ThroughputSeries()
  /// The number of measured messages that have come back.
  private(set) var requests = 0
  /// The number of responses that came within the measured time, those to messages sent while warming up included: what
  /// the server has done in that time.
  private(set) var responsesInTime = 0
  /// The measured time, in nanoseconds.
  private(set) var elapsed = 0
  /// For how long messages were sent, in nanoseconds.
  private(set) var sending = 0
  /// For how long responses were awaited after the measured time, in nanoseconds.
  private(set) var waiting = 0

  var losses: [Loss: Int] = [:]
  /// The number of messages that were sent, at least in part, and never came back because their connections were lost.
  var unanswered = 0
  /// The number of messages that were due but unsent at the end; 0 without a schedule.
  private(set) var unsent = 0
  /// Whether responses were still arriving when the time for awaiting them was up.
  var isGivenUp = false
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

  @inline(__always)
  mutating func countResponseInTime() {
    responsesInTime += 1
  }

  /// Notes the number of responses so far.
  mutating func note(after time: Int) {
    throughput.append(.init(time: time, count: responsesInTime))
  }

  /// Notes the end.
  ///
  /// - Parameters:
  ///   - time: The measured time, in nanoseconds.
  ///   - sending: For how long messages were sent.
  ///   - waiting: For how long responses were awaited after the measured time.
  mutating func finish(after time: Int, sendingFor sending: Int, waitingFor waiting: Int) {
    throughput.finish(with: .init(time: time, count: responsesInTime))
    elapsed = time
    self.sending = sending
    self.waiting = waiting
  }
}
