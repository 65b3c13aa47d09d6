/// How many requests were done by which time: as many points as a chart can show, however long a run is.
struct ThroughputSeries {
  struct Point {
    /// Since the measurement began, in nanoseconds.
    let time: Int
    /// How many were done by then.
    let count: Int
  }

  /// Twice as many as are kept.
  private static let capacity = 400

  private var points = [Point(time: 0, count: 0)]

  mutating func append(_ point: Point) {
    guard let last = points.last, point.time > last.time else { return }
    points.append(point)
    // Every other one is enough from now on.
    if points.count > Self.capacity { points = points.indices.filter { $0.isMultiple(of: 2) }.map { points[$0] } }
  }

  /// Requests per second, with the middle of the time that each figure is about, in seconds.
  var rates: [(seconds: Double, perSecond: Double)] {
    let second = Double(MonotonicClock.second)
    return zip(evenPoints, evenPoints.dropFirst()).map { begin, end in
      (
        Double(begin.time + end.time) / 2 / second,
        Double(end.count - begin.count) * second / Double(end.time - begin.time)
      )
    }
  }

  /// Without a last stretch that is too short to say anything.
  private var evenPoints: [Point] {
    guard points.count > 2 else { return points }
    let last = points[points.count - 1], previous = points[points.count - 2], before = points[points.count - 3]
    guard 2 * (last.time - previous.time) < previous.time - before.time else { return points }
    return points.dropLast(2) + [last]
  }
}
