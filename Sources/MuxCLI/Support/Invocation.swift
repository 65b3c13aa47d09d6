import ArgumentParser

/// How the tool was called.
enum Invocation {
  /// The command line as one could type it again.
  static var command: String {
    (["mux"] + CommandLine.arguments.dropFirst()).map(quoted).joined(separator: " ")
  }

  /// The parser would take the next word for the value of "--report=".
  ///
  /// - Throws: That there is an option without the value that was announced.
  static func requireValues() throws(Failure) {
    let options = CommandLine.arguments.dropFirst().prefix { $0 != "--" }
    guard let option = options.first(where: { $0.hasPrefix("--") && $0.hasSuffix("=") }) else { return }
    throw Failure("'\(option)' has no value behind the equals sign", .usage)
  }

  private static func quoted(_ word: String) -> String {
    let isPlain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "-_=+:,./@%[]".contains($0) }
    return isPlain ? word : "'\(word.replacing("'", with: #"'\''"#))'"
  }
}
