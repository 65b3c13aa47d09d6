/// The page of the inspector: one self-contained HTML document, the same for every server. Its script fills it in.
enum InspectorPage {
  static let html = Page.document(
    "mux serve", head: [.style(Page.style), .style(style)],
    main: [header, figures, .element("div", ["class": "charts"], [throughput, turns]), loop, connections],
    scripts: [.script(script)])

  private static var header: Markup {
    .element(
      "header", [:],
      [
        .element("h1", ["id": "title"], "mux serve"),
        .element("p", ["class": "summary", "id": "summary"], "not connected yet"),
        .element(
          "p", ["class": "status"],
          [
            .element("span", ["id": "status", "role": "status"], "connecting"),
            .element("button", ["id": "pause", "type": "button"], "Pause"),
            .element("a", ["href": "/state.json"], "state.json"),
          ]),
        .element("noscript", [:], "This page needs JavaScript. Its figures are also at /state.json."),
      ])
  }

  private static var figures: Markup {
    .element(
      "section", [:],
      [empty("dl", ["class": "tiles", "id": "tiles"]), empty("dl", ["class": "facts", "id": "facts"])])
  }

  private static var throughput: Markup {
    chart("throughput", "Throughput", [("s0", "received"), ("s1", "sent")], "per second, over the last minute")
  }

  private static var turns: Markup {
    chart("turns", "Turns of the loop", [("s2", "turns")], "per second, over the last minute")
  }

  private static var loop: Markup {
    .element(
      "section", [:],
      [
        .element("h2", [:], "The loop"),
        .element(
          "p", ["class": "quiet"],
          """
          A thread waits for all of its descriptors at once. When some are ready, it does what there is to do for each of \
          them, and waits again: that is a turn. Each dot is one of the connections listed at the end of this page. Below the \
          dots are the last turns, the newest first.
          """),
        .element(
          "p", ["class": "quiet legend"],
          [
            dot("", "open, and idle"), dot("active", "active within the last second"),
            dot("queued", "bytes wait until the peer reads"), dot("ready", "ready in the newest turn"),
          ]),
        empty("div", ["class": "threads", "id": "threads"]),
      ])
  }

  private static var connections: Markup {
    let columns = ["Descriptor", "Peer", "Thread", "Open for", "Idle for", "Received", "Sent", "Queued"]
    let head = Markup.element("tr", [:], columns.map { .element("th", ["scope": "col"], $0) })
    return .element(
      "section", [:],
      [
        .element("h2", [:], "Connections"), .element("p", ["class": "quiet", "id": "listed"], ""),
        .element(
          "div", ["class": "scroll"],
          [.element("table", [:], [.element("thead", [:], [head]), empty("tbody", ["id": "connections"])])]),
      ])
  }

  /// A chart, which the script draws.
  private static func chart(
    _ id: String, _ title: String, _ names: [(style: String, name: String)], _ explanation: String
  ) -> Markup {
    let legend = names.map { Markup.element("span", ["class": "name \($0.style)"], $0.name) }
    return .element(
      "figure", [:],
      [
        .element(
          "figcaption", [:],
          [.element("h2", [:], title), .element("p", [:], legend + [.text(explanation)])]),
        empty("svg", ["id": id, "viewBox": "0 0 460 170", "role": "img", "aria-label": "\(title) \(explanation)"]),
      ])
  }

  private static func dot(_ style: String, _ meaning: String) -> Markup {
    .element("span", [:], [empty("span", ["class": "dot \(style)"]), .text(meaning)])
  }

  /// An element for the script to fill. HTML knows no self-closing elements.
  private static func empty(_ name: String, _ attributes: KeyValuePairs<String, String>) -> Markup {
    .element(name, attributes, "")
  }
}
