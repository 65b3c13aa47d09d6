/// One line of a chart.
struct Series {
  struct Point {
    let x: Double
    let y: Double
  }

  /// A labeled point.
  struct Mark {
    let point: Point
    let label: String
  }

  enum Look {
    case line
    /// A line with the area below it shaded.
    case area
    /// A reference for other lines.
    case dashed
    /// A line with a dot at each of a few points.
    case dots
  }

  let name: String
  let look: Look
  /// From left to right.
  let points: [Point]
  var marks: [Mark] = []
}
