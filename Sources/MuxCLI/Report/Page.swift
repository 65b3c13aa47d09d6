/// A report: one self-contained HTML file.
struct Page {
  let title: String
  /// One line about what was measured.
  let summary: String
  let command: String
  let machine: Machine
  let sections: [Markup]

  var html: String {
    Self.document(title, head: [.style(Self.style)], main: [header] + sections)
  }

  /// Makes a whole HTML document.
  ///
  /// - Parameters:
  ///   - title: The title of the browser's window.
  ///   - head: Style sheets.
  ///   - main: The content.
  ///   - scripts: Code that the browser runs when it has read the content.
  static func document(_ title: String, head: [Markup], main: [Markup], scripts: [Markup] = []) -> String {
    let head = Markup.element(
      "head", [:],
      [
        .element("meta", ["charset": "utf-8"]),
        .element("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"]),
        .element("title", [:], title),
      ] + head)
    let body = Markup.element("body", [:], [.element("main", [:], main)] + scripts)
    return "<!DOCTYPE html>\n\(Markup.element("html", ["lang": "en"], [head, body]).source)\n"
  }

  /// The date of the measurement: "2026-11-25 02:47:22 UTC".
  private var date: String {
    machine.date.replacing("T", with: " ").replacing("Z", with: " UTC")
  }

  private var header: Markup {
    let facts = [
      ("Date", date), ("Kernel", machine.kernel),
      ("Processor", "\(machine.processor), \(Quantity.counted(machine.processors, "core"))"),
    ]
    return .element(
      "header", [:],
      [
        .element("h1", [:], title), .element("p", ["class": "summary"], summary),
        .element("pre", [:], [.element("code", [:], command)]),
        .element(
          "dl", ["class": "facts"],
          facts.map { .element("div", [:], [.element("dt", [:], $0.0), .element("dd", [:], $0.1)]) }),
      ])
  }
}

// MARK: - Parts

extension Page {
  /// Makes large tiles of the most important figures.
  static func tiles(_ tiles: [(name: String, value: String)]) -> Markup {
    .element(
      "dl", ["class": "tiles"],
      tiles.map { .element("div", [:], [.element("dt", [:], $0.name), .element("dd", [:], $0.value)]) })
  }

  /// Makes a table.
  ///
  /// - Parameters:
  ///   - header: The names of the columns.
  ///   - rows: The cells, of which the first names the row.
  static func table(header: [String], rows: [[String]]) -> Markup {
    let head = Markup.element("tr", [:], header.map { .element("th", ["scope": "col"], $0) })
    let body = rows.map { row in
      Markup.element(
        "tr", [:],
        row.enumerated().map { column, cell in
          column == 0 ? .element("th", ["scope": "row"], cell) : .element("td", [:], cell)
        })
    }
    return .element(
      "div", ["class": "scroll"],
      [.element("table", [:], [.element("thead", [:], [head]), .element("tbody", [:], body)])])
  }

  static func figure(_ title: String, _ explanation: String, _ chart: Chart) -> Markup {
    .element(
      "figure", [:],
      [
        .element("figcaption", [:], [.element("h2", [:], title), .element("p", [:], explanation)]),
        .element("div", ["class": "scroll"], [chart.svg]),
      ])
  }

  /// Makes a list of notes that help to interpret the figures.
  static func notes(_ notes: [String]) -> [Markup] {
    guard !notes.isEmpty else { return [] }
    return [.element("ul", ["class": "notes"], notes.map { .element("li", [:], $0) })]
  }
}
