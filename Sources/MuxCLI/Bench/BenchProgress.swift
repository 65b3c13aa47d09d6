import Histogram

/// The line that shows a run of `mux bench` while it goes on.
final class BenchProgress {
  private static let interval = 500_000_000

  private let line = ProgressLine()
  private var shownAt = 0
  private var shownRequests = 0

  func showWarmUp() {
    line.show("warming up ...")
  }

  /// - Parameter start: When the measurement began.
  func show(_ tally: LoadTally, at now: Int, since start: Int) {
    let elapsed = now - max(shownAt, start)
    guard elapsed >= Self.interval else { return }
    let rate = Double(tally.requests - shownRequests) * Double(MonotonicClock.second) / Double(elapsed)
    shownAt = now
    shownRequests = tally.requests
    line.show(text(tally, seconds: Double(now - start) / Double(MonotonicClock.second), rate: rate))
  }

  func clear() {
    line.clear()
  }

  private func text(_ tally: LoadTally, seconds: Double, rate: Double) -> String {
    let latencies = tally.latencies
    return [
      "\(Quantity.decimal(seconds, 1)) s", "\(Quantity.count(Int(rate))) requests/s",
      "p50 \(Quantity.time(Int(latencies.valueAtPercentile(50))))",
      "p99 \(Quantity.time(Int(latencies.valueAtPercentile(99))))", "errors \(tally.lost)",
    ].joined(separator: "   ")
  }
}
