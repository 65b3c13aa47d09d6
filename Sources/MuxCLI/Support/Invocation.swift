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

  /// Rejects arguments that aren't text: a path would become another file's.
  ///
  /// - Throws: A usage failure if an argument isn't valid UTF-8.
  static func requireText() throws(Failure) {
    for (index, argument) in CommandLine.arguments.enumerated() {
      // The kernel ends each argument with a zero, and there are as many as were decoded.
      guard let bytes = unsafe CommandLine.unsafeArgv[index], unsafe String(validatingCString: bytes) == nil else {
        continue
      }
      throw Failure("'\(argument)' isn't valid UTF-8; give another name", .usage)
    }
  }

  /// Rejects `mux help` of something that is no command.
  ///
  /// - Parameter commands: The names of the commands.
  /// - Throws: A usage failure that names it.
  static func requireHelpTopic(_ commands: [String]) throws(Failure) {
    let words = CommandLine.arguments.dropFirst()
    guard words.first == "help" else { return }
    let topics = words.dropFirst().filter { !$0.hasPrefix("-") }
    guard topics.count > 1 || !topics.allSatisfy((commands + ["help"]).contains) else { return }
    throw Failure("there is no command '\(topics.joined(separator: " "))'; see 'mux help'", .usage)
  }

  private static func quoted(_ word: String) -> String {
    let isPlain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "-_=+:,./@%[]".contains($0) }
    return isPlain ? word : "'\(word.replacing("'", with: #"'\''"#))'"
  }
}
