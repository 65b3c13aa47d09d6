/// How the tool was called.
enum Invocation {
  /// The command line as one could type it again.
  static var command: String {
    (["mux"] + CommandLine.arguments.dropFirst()).map(quoted).joined(separator: " ")
  }

  private static func quoted(_ word: String) -> String {
    let isPlain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "-_=+:,./@%[]".contains($0) }
    return isPlain ? word : "'\(word.replacing("'", with: #"'\''"#))'"
  }
}
