import ArgumentParser
import Multiplex
import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Async work that the main thread waits for, while other threads do it.
enum Foreground {
  private final class Outcome: Sendable {
    let result = Mutex<Result<Void, any Error>?>(nil)
  }

  /// Work that has begun.
  private struct Work: ~Copyable {
    private let outcome = Outcome()
    private let reader: OwnedDescriptor

    init(_ body: @escaping @Sendable () async throws -> Void) throws(MultiplexError) {
      let pipe = try Pipe()
      let writer = pipe.writer.release()
      reader = pipe.reader
      Task { [outcome] in
        let result: Result<Void, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        outcome.result.withLock { $0 = result }
        // This is what the main thread waits for.
        try? OwnedDescriptor(adopting: writer).close()
      }
    }

    /// Readable when the work has ended.
    var end: FileDescriptor { reader.fileDescriptor }

    /// Once it has ended.
    func result() throws {
      try outcome.result.withLock { $0 }?.get()
    }
  }

  /// Does something to its end.
  ///
  /// - Throws: What the body throws.
  static func run(_ body: @escaping @Sendable () async throws -> Void) throws {
    let work = try Work(body)
    _ = try select(reading: [work.end])
    try work.result()
  }

  /// Runs a server until a signal ends it: SIGINT or SIGTERM asks it to stop; a second one ends it at once.
  ///
  /// - Parameters:
  ///   - body: Runs until it has served all there is.
  ///   - stop: Asks the body to come to its end.
  /// - Throws: What the body throws; the exit status of a second signal.
  static func run(
    _ body: @escaping @Sendable () async throws -> Void, stop: @escaping @Sendable () async -> Void
  ) throws {
    // Before any other thread is started: they inherit that the signals are blocked.
    let signals = try SignalDescriptor([SIGINT, SIGTERM])
    let work = try Work(body)
    var isStopping = false
    while true {
      let ready = try select(reading: [signals.fileDescriptor, work.end]).reading
      if ready.contains(work.end) { break }
      while let signal = try signals.next() {
        // As a shell reports it.
        guard !isStopping else { throw ExitCode(128 + signal) }
        isStopping = true
        Task { await stop() }
      }
    }
    try work.result()
  }
}
