import ArgumentParser

/// The options of every command that serves clients until a signal ends it.
struct ServingOptions: ParsableArguments {
  @Option(help: "The backend to wait with.")
  var backend = BackendChoice.automatic

  // Unconditional: a value that begins with a minus sign is then reported as out of range instead of missing.
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Number of threads that share the clients; 0 means one for each processor it may use.", valueName: "n"))
  var threads = 1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Time to drain connections after a signal.", valueName: "seconds"))
  var drainTimeout = 5.0

  /// More than the cores of any machine.
  private static let maximumThreads = 1024

  func validate() throws {
    try Limits.require(threads, atLeast: 0, atMost: Self.maximumThreads, "--threads")
    try Limits.requireSeconds(drainTimeout, allowingZero: true, "--drain-timeout")
  }
}
