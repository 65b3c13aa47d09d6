/// One line of a chart.
struct Series {
  struct Point {
    let x: Double
    let y: Double
  }

  /// A point with something written at it.
  struct Mark {
    let point: Point
    let label: String
  }

  enum Look {
    case line
    /// With the ground below it shaded.
    case area
    /// What others are compared with.
    case dashed
    /// With a dot at each point, where there are few.
    case dots
  }

  let name: String
  let look: Look
  /// From left to right.
  let points: [Point]
  var marks: [Mark] = []
}
