/// A piece of HTML that is well-formed XML as well. Text gets into it escaped, and in no other way.
struct Markup {
  let source: String

  private init(source: String) {
    self.source = source
  }

  /// An element; one without children is closed at once.
  static func element(
    _ name: String, _ attributes: KeyValuePairs<String, String> = [:], _ children: [Markup] = []
  ) -> Markup {
    let written = attributes.map { " \($0)=\"\(escaped($1))\"" }.joined()
    guard !children.isEmpty else { return Markup(source: "<\(name)\(written) />") }
    return Markup(source: "<\(name)\(written)>\(children.map(\.source).joined())</\(name)>")
  }

  static func element(
    _ name: String, _ attributes: KeyValuePairs<String, String> = [:], _ text: String
  ) -> Markup {
    element(name, attributes, [.text(text)])
  }

  static func text(_ text: String) -> Markup {
    Markup(source: escaped(text))
  }

  /// - Parameter css: Of this program's own; it has no character that means something in XML.
  static func style(_ css: StaticString) -> Markup {
    Markup(source: "<style>\n\(css)\n</style>\n")
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      // XML has no way to write most control characters.
      case "\u{0}"..<"\u{20}" where scalar != "\n" && scalar != "\t", "\u{7f}"..<"\u{a0}", "\u{fffe}", "\u{ffff}":
        result += "\u{fffd}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
