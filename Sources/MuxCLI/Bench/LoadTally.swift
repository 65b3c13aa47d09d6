import Histogram

/// What a run has come to.
struct LoadTally {
  /// Counted from when each message was due, or sent where there is no schedule; in nanoseconds, to three digits.
  private(set) var latencies = Self.emptyHistogram
  /// Counted from when each message was sent; nil where there is no schedule.
  private(set) var sinceSending: Histogram<UInt64>?
  private(set) var throughput = ThroughputSeries()
  /// How long it took, in nanoseconds.
  private(set) var elapsed = 0

  var losses: [Loss: Int] = [:]
  /// Messages of lost connections that never came back.
  var unanswered = 0
  /// Whether a signal has ended it before its time.
  var isInterrupted = false

  private static var emptyHistogram: Histogram<UInt64> {
    // Up to a minute without growing, and with beyond that.
    var histogram = Histogram<UInt64>(highestTrackableValue: 60_000_000_000)
    histogram.autoResize = true
    return histogram
  }

  init(hasSchedule: Bool) {
    if hasSchedule { sinceSending = Self.emptyHistogram }
  }

  /// How many messages are back.
  var requests: Int { Int(latencies.totalCount) }

  var lost: Int { losses.values.reduce(0, +) }

  /// Takes down one answer, in nanoseconds.
  ///
  /// - Parameter sinceDue: nil where there is no schedule.
  mutating func record(sinceDue: Int?, sinceSending latency: Int) {
    latencies.record(UInt64(clamping: sinceDue ?? latency))
    if sinceDue != nil { sinceSending?.record(UInt64(clamping: latency)) }
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
