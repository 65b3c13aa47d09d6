import ArgumentParser

/// The way the tool was invoked.
enum Invocation {
  /// The command line, quoted for a shell.
  static var command: String {
    (["mux"] + CommandLine.arguments.dropFirst()).map(quoted).joined(separator: " ")
  }

  /// Rejects options like "--report=" and "-w=", for which the parser would take the next word as the value.
  ///
  /// - Throws: A usage failure if an option has nothing after its equals sign.
  static func requireValues() throws(Failure) {
    let options = CommandLine.arguments.dropFirst().prefix { $0 != "--" }
    guard let option = options.first(where: { $0.hasPrefix("-") && $0.firstIndex(of: "=") == $0.indices.last }) else {
      return
    }
    throw Failure("'\(option)' has no value after '='", .usage)
  }

  private static func quoted(_ word: String) -> String {
    let isPlain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "-_=+:,./@%[]".contains($0) }
    return isPlain ? word : "'\(word.replacing("'", with: #"'\''"#))'"
  }
}
