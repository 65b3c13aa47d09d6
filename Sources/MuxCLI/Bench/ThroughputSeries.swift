/// The number of completed requests over time, with no more points than a chart can show, however long a run is.
struct ThroughputSeries {
  struct Point {
    /// The time since the measurement began, in nanoseconds.
    let time: Int
    /// The number of requests completed by then.
    let count: Int
  }

  /// The number of points at which every other one is dropped.
  private static let capacity = 400

  private var points = [Point(time: 0, count: 0)]
  /// The least time between two points, in nanoseconds.
  private var spacing = 1

  /// Adds a point, unless it is too close to the last one.
  mutating func append(_ point: Point) {
    guard let last = points.last, point.time - last.time >= spacing else { return }
    points.append(point)
    guard points.count > Self.capacity else { return }
    points = points.indices.filter { $0.isMultiple(of: 2) }.map { points[$0] }
    // Later points are as far apart as those that are left.
    spacing = point.time / points.count
  }

  /// Adds the point at the end of the measured time, in place of any that were noted later, as nothing has come since.
  mutating func finish(with point: Point) {
    points.removeAll { $0.time >= max(1, point.time) }
    if point.time > 0 { points.append(point) }
  }

  /// The requests per second, with the middle of the interval that each rate covers, in seconds.
  var rates: [(seconds: Double, perSecond: Double)] {
    let second = Double(MonotonicClock.second)
    return zip(evenPoints, evenPoints.dropFirst()).map { begin, end in
      (
        Double(begin.time + end.time) / 2 / second,
        Double(end.count - begin.count) * second / Double(end.time - begin.time)
      )
    }
  }

  /// The points, with a last interval that is too short merged into the one before.
  private var evenPoints: [Point] {
    guard points.count > 2 else { return points }
    let last = points[points.count - 1], previous = points[points.count - 2], before = points[points.count - 3]
    guard 2 * (last.time - previous.time) < previous.time - before.time else { return points }
    return points.dropLast(2) + [last]
  }
}
