/// A line chart as SVG. Each line has its name at its end, so that no legend is needed.
struct Chart {
  private static let width = 912.0
  private static let height = 400.0
  private static let left = 88.0
  private static let right = 130.0
  private static let top = 16.0
  private static let bottom = 54.0
  /// The minimum distance between the names of two lines.
  private static let nameDistance = 18.0
  /// The width of a mark's label.
  private static let labelWidth = 64.0
  /// The number of colors.
  private static let colors = 6

  /// A description for screen readers.
  let description: String
  let x: Axis
  let y: Axis
  let series: [Series]

  var svg: Markup {
    .element(
      "svg",
      [
        "xmlns": "http://www.w3.org/2000/svg", "viewBox": "0 0 \(Int(Self.width)) \(Int(Self.height))", "role": "img",
        "aria-label": description,
      ], horizontalLines + verticalTicks + titles + lines + marks + names)
  }

  // MARK: Places

  private func place(_ point: Series.Point) -> (x: Double, y: Double) {
    (placeX(point.x), placeY(point.y))
  }

  private func placeX(_ value: Double) -> Double {
    Self.left + x.position(of: value) * (Self.width - Self.left - Self.right)
  }

  private func placeY(_ value: Double) -> Double {
    Self.height - Self.bottom - y.position(of: value) * (Self.height - Self.top - Self.bottom)
  }

  private static func number(_ value: Double) -> String { Quantity.decimal(value, 1) }

  private static func line(_ name: String, _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> Markup {
    .element(
      "line", ["class": name, "x1": number(x1), "y1": number(y1), "x2": number(x2), "y2": number(y2)])
  }

  private static func text(
    _ text: String, x: Double, y: Double, anchor: String, class name: String = "tick"
  ) -> Markup {
    .element("text", ["class": name, "x": number(x), "y": number(y), "text-anchor": anchor], text)
  }

  private func style(_ index: Int) -> String { "s\(index % Self.colors)" }

  // MARK: Axes

  private var horizontalLines: [Markup] {
    y.ticks.flatMap { tick in
      let level = placeY(tick.value)
      return [
        Self.line("grid", Self.left, level, Self.width - Self.right, level),
        Self.text(tick.label, x: Self.left - 10, y: level + 4.5, anchor: "end"),
      ]
    }
  }

  private var verticalTicks: [Markup] {
    let level = Self.height - Self.bottom
    let ticks = x.ticks.flatMap { tick in
      [
        Self.line("axis", placeX(tick.value), level, placeX(tick.value), level + 5),
        Self.text(tick.label, x: placeX(tick.value), y: level + 21, anchor: "middle"),
      ]
    }
    return [Self.line("axis", Self.left, level, Self.width - Self.right, level)] + ticks
  }

  private var titles: [Markup] {
    let middle = (Self.left + Self.width - Self.right) / 2
    let across = Self.text(x.title, x: middle, y: Self.height - 10, anchor: "middle")
    let level = (Self.top + Self.height - Self.bottom) / 2
    let upwards = Markup.element(
      "text", ["text-anchor": "middle", "transform": "translate(13 \(Self.number(level))) rotate(-90)"], y.title)
    return [across, upwards]
  }

  // MARK: Lines

  private var lines: [Markup] {
    series.enumerated().flatMap { index, series in
      guard let first = series.points.first, let last = series.points.last else { return [Markup]() }
      let places = series.points.map(place)
      let path = places.map { "\(Self.number($0.x)) \(Self.number($0.y))" }.joined(separator: " L ")
      let isDashed = series.look == .dashed
      let curve = Markup.element(
        "path", ["class": "curve \(style(index))\(isDashed ? " dashed" : "")", "d": "M \(path)"])
      switch series.look {
      case .line, .dashed:
        return [curve]
      case .area:
        let ground = Self.number(Self.height - Self.bottom)
        let outline =
          "M \(Self.number(placeX(first.x))) \(ground) L \(path) L \(Self.number(placeX(last.x))) \(ground) Z"
        return [.element("path", ["class": "area \(style(index))", "d": outline]), curve]
      case .dots:
        return [curve] + places.map { dot($0, style(index)) }
      }
    }
  }

  private func dot(_ place: (x: Double, y: Double), _ style: String) -> Markup {
    .element("circle", ["class": "halo \(style)", "cx": Self.number(place.x), "cy": Self.number(place.y), "r": "3.5"])
  }

  private var marks: [Markup] {
    series.enumerated().flatMap { index, series in
      series.marks.flatMap { mark in [dot(place(mark.point), style(index)), label(mark)] }
    }
  }

  /// A mark's label, above a rising line, and to the left of the mark unless the axis is there.
  private func label(_ mark: Series.Mark) -> Markup {
    let place = place(mark.point)
    if place.x - Self.left < Self.labelWidth {
      return Self.text(mark.label, x: place.x - 14, y: place.y - 10, anchor: "start", class: "mark")
    }
    return Self.text(mark.label, x: place.x - 6, y: place.y - 9, anchor: "end", class: "mark")
  }

  /// The names at the ends of the lines, moved apart where lines end close to each other.
  private var names: [Markup] {
    let ends = series.enumerated().compactMap { index, series in
      series.points.last.map { (index: index, name: series.name, place: place($0)) }
    }.sorted { $0.place.y < $1.place.y }
    let levels = Self.apart(ends.map(\.place.y))
    return zip(ends, levels).map { end, level in
      Self.text(end.name, x: end.place.x + 10, y: level + 5, anchor: "start", class: "name \(style(end.index))")
    }
  }

  /// Moves sorted heights apart, so that neighbors don't overlap, and the last isn't below the horizontal axis.
  private static func apart(_ levels: [Double]) -> [Double] {
    var levels = levels
    for index in levels.indices.dropFirst() { levels[index] = max(levels[index], levels[index - 1] + nameDistance) }
    guard let last = levels.indices.last else { return levels }
    levels[last] = min(levels[last], height - bottom - 4)
    for index in levels.indices.dropLast().reversed() {
      levels[index] = min(levels[index], levels[index + 1] - nameDistance)
    }
    return levels
  }
}
