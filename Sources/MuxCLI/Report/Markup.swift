/// A piece of HTML that is also well-formed XML. All text in it is escaped.
struct Markup {
  let source: String

  private init(source: String) {
    self.source = source
  }

  /// Makes an element; one without children is self-closing.
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

  /// Makes a style sheet.
  ///
  /// - Parameter css: The rules, without characters that are special in XML.
  static func style(_ css: StaticString) -> Markup {
    Markup(source: "<style>\n\(css)\n</style>\n")
  }

  /// Makes a script, whose characters mean the same in HTML and in XML.
  ///
  /// - Parameter code: JavaScript, without the end of a script element.
  static func script(_ code: StaticString) -> Markup {
    Markup(source: "<script>//<![CDATA[\n\(code)\n//]]></script>\n")
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      // XML can't represent most control characters.
      case "\u{0}"..<"\u{20}" where scalar != "\n" && scalar != "\t", "\u{7f}"..<"\u{a0}", "\u{fffe}", "\u{ffff}":
        result += "\u{fffd}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
