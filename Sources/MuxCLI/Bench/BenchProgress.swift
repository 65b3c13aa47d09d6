import Histogram

/// The line that shows the progress of a run of `mux bench`.
final class BenchProgress {
  private static let interval = 500_000_000

  private let line = ProgressLine()
  private var shownAt = 0
  /// The latencies since the line was last shown. With two digits, a percentile is found in microseconds: measuring
  /// latencies must not be delayed.
  private var recent = Histogram<UInt64>(highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .two)

  func showWarmUp() {
    line.show("warming up ...")
  }

  /// Records a latency.
  ///
  /// - Parameter latency: The latency in nanoseconds.
  @inline(__always)
  func record(_ latency: Int) {
    if line.isShown { recent.record(UInt64(clamping: latency)) }
  }

  /// Shows the line, if it was last shown long enough ago.
  ///
  /// - Parameters:
  ///   - errors: The number of lost connections.
  ///   - now: The present time, in nanoseconds.
  ///   - start: The time when the measurement began, in nanoseconds.
  func show(errors: Int, at now: Int, since start: Int) {
    let elapsed = now - max(shownAt, start)
    guard line.isShown, elapsed >= Self.interval else { return }
    let second = Double(MonotonicClock.second)
    let rate = Double(recent.totalCount) * second / Double(elapsed)
    let figures = [
      "\(Quantity.decimal(Double(now - start) / second, 1)) s", "\(Quantity.count(Int(rate))) requests/s",
      "p50 \(percentile(50))", "p99 \(percentile(99))", "errors \(errors)",
    ]
    line.show(figures.joined(separator: "   "))
    shownAt = now
    recent.reset()
  }

  func clear() {
    line.clear()
  }

  private func percentile(_ percentile: Double) -> String {
    Quantity.time(Double(recent.valueAtPercentile(percentile)))
  }
}
