import ArgumentParser
import Dispatch
import Multiplex
import Synchronization
import SystemPackage

/// Runs async work on other threads while the main thread waits.
enum Foreground {
  /// The descriptors that the work needs until it has a connection. Swift's runtime needs some of them, and crashes if
  /// it can't open them.
  private static let neededDescriptors = 9
  /// The threads that the work needs: those of Swift's runtime, a reactor's, and one that writes messages.
  private static let neededThreads = 6

  private final class Outcome: Sendable {
    let result = Mutex<Result<Void, any Error>?>(nil)
  }

  /// Work in progress.
  private struct Work: ~Copyable {
    private let outcome = Outcome()
    private let reader: OwnedDescriptor

    init(_ body: @escaping @Sendable () async throws -> Void) throws(MultiplexError) {
      Self.prepareRuntime()
      let pipe = try PipeDescriptors()
      let writer = pipe.writer.release()
      reader = pipe.reader
      Task { [outcome] in
        let result: Result<Void, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        outcome.result.withLock { $0 = result }
        // The main thread waits for this.
        try? OwnedDescriptor(adopting: writer).close()
      }
    }

    /// Makes libdispatch, which runs tasks, open what it needs while descriptors are left: its own descriptors, and
    /// files in /proc through which it monitors its threads soon after the first has started. It crashes if the work
    /// has taken all descriptors by then.
    private static func prepareRuntime() {
      let isOver = DispatchSemaphore(value: 0)
      // Timers run on the thread that does both. The first starts a thread; by the last, it has been monitored.
      for _ in 0..<3 {
        DispatchQueue.global().asyncAfter(deadline: .now() + .microseconds(200)) { isOver.signal() }
        isOver.wait()
      }
    }

    /// A descriptor that becomes readable when the work has ended.
    var end: FileDescriptor { reader.fileDescriptor }

    /// Returns normally, or throws the error of the work, once it has ended.
    func result() throws {
      try outcome.result.withLock { $0 }?.get()
    }
  }

  /// Runs async work to its end.
  ///
  /// - Throws: What the body throws.
  static func run(_ body: @escaping @Sendable () async throws -> Void) throws {
    try OpenFiles.require(neededDescriptors)
    try Threads.require(neededThreads)
    let work = try Work(body)
    _ = try select(reading: [work.end])
    try work.result()
  }

  /// Runs a server until a signal ends it: the first signal asks it to stop, a later one ends it at once.
  ///
  /// - Parameters:
  ///   - drainTimeout: How long the server drains its connections, in seconds.
  ///   - body: Runs the server until it has stopped; returns the number of connections that were closed unfinished.
  ///   - stop: Asks the body to end.
  /// - Throws: What the body throws; the exit status of a second signal.
  static func serve(
    drainTimeout: Double, _ body: @escaping @Sendable () async throws -> Int, stop: @escaping @Sendable () async -> Void
  ) throws {
    let limit = Quantity.seconds(drainTimeout)
    try run(
      {
        do {
          let unfinished = try await body()
          if unfinished > 0 { Console.warn("connections closed unfinished after \(limit): \(unfinished)") }
        } catch is CancellationError {
          // Stopped before it had started.
        }
      }, stop: stop)
  }

  private static func run(
    _ body: @escaping @Sendable () async throws -> Void, stop: @escaping @Sendable () async -> Void
  ) throws {
    try OpenFiles.require(neededDescriptors)
    // Before any other thread starts, even one that is only tried and may end late: threads inherit the blocked signals.
    var signals = try StopSignals()
    defer { StopSignals.ignore() }
    try Threads.require(neededThreads)
    let work = try Work(body)
    while true {
      let ready = try select(reading: [signals.fileDescriptor, work.end]).reading
      if ready.contains(work.end) { break }
      while let request = try signals.next() {
        guard request.isFirst else { throw StopSignals.end(by: request) }
        Task { await stop() }
      }
    }
    try work.result()
  }
}
