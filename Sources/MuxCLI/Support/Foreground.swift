import ArgumentParser
import Multiplex
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A server that runs until a signal ends it: its work is done by other threads, and the main one waits for signals.
///
/// SIGINT or SIGTERM asks it to stop; a second one ends it at once.
enum Foreground {
  private final class Outcome: Sendable {
    let result = Mutex<Result<Void, any Error>?>(nil)
  }

  /// - Parameters:
  ///   - body: Runs until it has served all there is.
  ///   - stop: Asks the body to come to its end.
  /// - Throws: What the body throws; the exit status of a second signal.
  static func run(
    _ body: @escaping @Sendable () async throws -> Void, stop: @escaping @Sendable () async -> Void
  ) throws {
    // Before any other thread is started: they inherit that the signals are blocked.
    let signals = try SignalDescriptor([SIGINT, SIGTERM])
    let outcome = Outcome()
    let finished = try Pipe()
    // Closing the writing end is what wakes the main thread.
    let writer = finished.writer.release()
    Task {
      let result: Result<Void, any Error>
      do { result = .success(try await body()) } catch { result = .failure(error) }
      outcome.result.withLock { $0 = result }
      try? OwnedDescriptor(adopting: writer).close()
    }

    var isStopping = false
    while true {
      let ready = try select(reading: [signals.fileDescriptor, finished.reader.fileDescriptor]).reading
      if ready.contains(finished.reader.fileDescriptor) { break }
      while let signal = try signals.next() {
        // As a shell reports it.
        guard !isStopping else { throw ExitCode(128 + signal) }
        isStopping = true
        Task { await stop() }
      }
    }
    try outcome.result.withLock { $0 }?.get()
  }
}
