import Foundation
import TestSupport
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// A report written by a command, or another page, as read by a strict parser.
final class HTMLReport: NSObject, XMLParserDelegate {
  /// All visible text.
  private(set) var text = ""
  private(set) var elements: [String: Int] = [:]
  /// Where its links lead.
  private(set) var links: [String] = []
  private var isInCode = false

  /// Reads a report.
  ///
  /// - Throws: An error if the file isn't well-formed, or refers to anything outside it.
  convenience init(_ path: String) throws {
    try self.init(source: String(contentsOfFile: path, encoding: .utf8), forbidding: ["href=", "<script"])
  }

  /// Reads a page.
  ///
  /// - Parameter words: What it must not contain, apart from what would refer to other servers.
  /// - Throws: An error if the page isn't well-formed, or refers to anything outside it.
  init(source: String, forbidding words: [String] = []) throws {
    super.init()
    try #require(source.hasPrefix("<!DOCTYPE html>"))
    let parser = XMLParser(data: Data(source.utf8))
    parser.delegate = self
    let isWellFormed = parser.parse()
    try #require(isWellFormed, "line \(parser.lineNumber): \(String(describing: parser.parserError))")
    let links = source.replacing("http://www.w3.org/2000/svg", with: "")
    for word in ["http:", "https:", "src=", "url(", "@import"] + words {
      try #require(!links.contains(word), "it contains \(word)")
    }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    elements[name, default: 0] += 1
    if let link = attributes["href"] { links.append(link) }
    isInCode = name == "style" || name == "script"
  }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    isInCode = false
    text += "\n"
  }

  func parser(_ parser: XMLParser, foundCharacters characters: String) {
    if !isInCode { text += characters }
  }
}
