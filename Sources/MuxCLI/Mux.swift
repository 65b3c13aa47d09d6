import ArgumentParser
import Multiplex

/// The command-line tool, which shows one thread waiting for many descriptors.
@main
struct Mux: ParsableCommand {
  /// The package's version.
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    abstract: "Serves and connects over TCP and Unix sockets, and shows I/O multiplexing at work.",
    version: version,
    subcommands: [Serve.self, Connect.self, Relay.self, Bench.self, Compare.self, Backends.self])

  static func main() {
    Console.fillStandardDescriptors()
    Console.ignoreFileSizeSignals()
    do {
      try Invocation.requireText()
      try Invocation.requireHelpTopic(commandNames)
      try Invocation.requireValues()
      var command = try parseAsRoot()
      try command.run()
      Console.finish()
    } catch {
      fail(error)
    }
  }

  /// Ends the process. Help that was asked for goes to standard output; anything else is one line on standard error.
  private static func fail(_ error: any Error) -> Never {
    switch error {
    case let failure as Failure:
      Console.warn(failure.description)
      end(failure.status)
    case let error as MultiplexError:
      fail(Failure(error, otherwise: .unavailable))
    case let status as ExitCode:
      end(status)
    default:
      let status = exitCode(for: error)
      if status == .success { answer(fullMessage(for: error)) }
      let message = singleLine(message(for: error))
      Console.warn(status == .validationFailure ? "\(withoutPeriod(message)); see '\(helpCommand)'" : message)
      end(status)
    }
  }

  /// Prints help, and ends the process.
  private static func answer(_ text: String) -> Never {
    do throws(Failure) {
      try Console.result(of: text).get()
      end(ExitCode.success)
    } catch {
      fail(error)
    }
  }

  private static func end(_ error: any Error) -> Never {
    Console.finish()
    exit(withError: error)
  }

  private static var commandNames: [String] { configuration.subcommands.map { "\($0)".lowercased() } }

  /// The help command for the subcommand that was used incorrectly.
  private static var helpCommand: String {
    let name = CommandLine.arguments.dropFirst().first(where: commandNames.contains)
    return (["mux", "help"] + (name.map { [$0] } ?? [])).joined(separator: " ")
  }

  private static func withoutPeriod(_ text: String) -> Substring {
    text.hasSuffix(".") ? text.dropLast() : text[...]
  }

  private static func singleLine(_ text: String) -> String {
    text.split(separator: "\n").map { $0.trimmingPrefix(while: \.isWhitespace) }.joined(separator: " ")
  }
}
