import Foundation
import Testing

@Suite("README")
struct ReadmeTests {
  @Test("every piece of Swift in it compiles")
  func snippets() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let readme = try lines(of: folder.appending(path: "../../../README.md"))
    // Those that need a package trait stand in the tests that are compiled with it.
    let files = ["", "../../MultiplexServiceLifecycleTests/", "../../MultiplexFlyingFoxTests/"]
    let compiled = try files.flatMap { try lines(of: folder.appending(path: $0 + "ReadmeSnippets.swift")) }
      .joined(separator: "\n")
    let snippets = readme.split(separator: "```swift").dropFirst().map { $0.prefix { $0 != "```" } }
    #expect(snippets.count == 8)
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
