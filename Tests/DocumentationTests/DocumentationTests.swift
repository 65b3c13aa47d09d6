import Foundation
import Testing

@Suite("Documentation")
struct DocumentationTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../..")

  /// The README, and all pages of the libraries' DocC catalogs.
  private static let pages =
    ["README.md"]
    + (FileManager.default.subpaths(atPath: root.appending(path: "Sources").path) ?? [])
    .filter { $0.contains(".docc/") && $0.hasSuffix(".md") }.map { "Sources/" + $0 }.sorted()

  /// Where their code is compiled. Code that needs a package trait is in the tests that are compiled with it.
  private static let compiled = [
    "DocumentationTests/ReadmeSnippets.swift",
    "DocumentationTests/MultiplexSnippets.swift",
    "DocumentationTests/MultiplexAsyncSnippets.swift",
    "MultiplexServiceLifecycleTests/ReadmeSnippets.swift",
    "MultiplexFlyingFoxTests/ReadmeSnippets.swift",
  ]

  @Test("every Swift snippet on a page compiles", arguments: pages)
  func snippets(page: String) throws {
    let compiled = try Self.compiled.flatMap { try lines(of: "Tests/" + $0) }.joined(separator: "\n")
    for snippet in try snippets(of: page) {
      #expect(compiled.contains(snippet))
    }
  }

  @Test("no snippet is overlooked")
  func count() throws {
    #expect(try Self.pages.flatMap { try snippets(of: $0) }.count == 30)
  }

  private func snippets(of page: String) throws -> [String] {
    try lines(of: page).split(separator: "```swift").dropFirst()
      .map { $0.prefix { $0 != "```" }.joined(separator: "\n") }
  }

  /// Without indentation.
  private func lines(of file: String) throws -> [String] {
    try String(contentsOf: Self.root.appending(path: file), encoding: .utf8).components(separatedBy: "\n")
      .map { $0.trimmingCharacters(in: .whitespaces) }
  }
}
