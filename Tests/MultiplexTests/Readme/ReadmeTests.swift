import Foundation
import Testing

@Suite("README")
struct ReadmeTests {
  @Test("every piece of Swift in it compiles")
  func snippets() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let readme = try lines(of: folder.appending(path: "../../../README.md"))
    let compiled = try lines(of: folder.appending(path: "ReadmeSnippets.swift")).joined(separator: "\n")
    let snippets = readme.split(separator: "```swift").dropFirst().map { $0.prefix { $0 != "```" } }
    #expect(snippets.count == 5)
    for snippet in snippets {
      #expect(compiled.contains(snippet.joined(separator: "\n")))
    }
  }

  /// Without indentation.
  private func lines(of file: URL) throws -> [String] {
    try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
      .map { $0.trimmingCharacters(in: .whitespaces) }
  }
}
