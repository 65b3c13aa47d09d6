import Foundation
import TestSupport
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// A report written by a command, as read by a strict parser.
final class HTMLReport: NSObject, XMLParserDelegate {
  /// All visible text.
  private(set) var text = ""
  private(set) var elements: [String: Int] = [:]
  private var isInStyle = false

  /// Reads a report.
  ///
  /// - Throws: An error if the file isn't well-formed, or refers to anything outside it.
  init(_ path: String) throws {
    super.init()
    let source = try String(contentsOfFile: path, encoding: .utf8)
    try #require(source.hasPrefix("<!DOCTYPE html>"))
    let parser = XMLParser(data: Data(source.utf8))
    parser.delegate = self
    let isWellFormed = parser.parse()
    try #require(isWellFormed, "line \(parser.lineNumber): \(String(describing: parser.parserError))")
    let links = source.replacing("http://www.w3.org/2000/svg", with: "")
    for word in ["http:", "https:", "src=", "href=", "url(", "@import", "<script"] {
      try #require(!links.contains(word), "it contains \(word)")
    }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    elements[name, default: 0] += 1
    isInStyle = name == "style"
  }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    isInStyle = false
    text += "\n"
  }

  func parser(_ parser: XMLParser, foundCharacters characters: String) {
    if !isInStyle { text += characters }
  }
}
