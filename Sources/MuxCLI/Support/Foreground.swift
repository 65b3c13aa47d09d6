import ArgumentParser
import Dispatch
import Multiplex
import Synchronization
import SystemPackage

/// Async work that the main thread waits for, while other threads do it.
enum Foreground {
  /// What the work takes until it has a connection. Some of it Swift's runtime takes, which crashes without.
  private static let neededDescriptors = 9

  private final class Outcome: Sendable {
    let result = Mutex<Result<Void, any Error>?>(nil)
  }

  /// Work that has begun.
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
        // This is what the main thread waits for.
        try? OwnedDescriptor(adopting: writer).close()
      }
    }

    /// Has libdispatch, which runs tasks, open what it needs while there is room for it: its own descriptors, and files of
    /// /proc by which it looks at its threads soon after the first has begun. It crashes where the work was quicker, and has
    /// taken all descriptors by then.
    private static func prepareRuntime() {
      let isOver = DispatchSemaphore(value: 0)
      // Timers go by the thread that does both. The first has a thread begin; by the last it has been looked at.
      for _ in 0..<3 {
        DispatchQueue.global().asyncAfter(deadline: .now() + .microseconds(200)) { isOver.signal() }
        isOver.wait()
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
    try OpenFiles.require(neededDescriptors)
    let work = try Work(body)
    _ = try select(reading: [work.end])
    try work.result()
  }

  /// Runs a server until a signal ends it: the first asks it to stop; a later one ends it at once.
  ///
  /// - Parameters:
  ///   - drainTimeout: How long it gives its connections then, in seconds.
  ///   - body: Runs until it has served all there is. Returns how many connections it has closed unfinished.
  ///   - stop: Asks the body to come to its end.
  /// - Throws: What the body throws; the exit status of a second signal.
  static func serve(
    drainTimeout: Double, _ body: @escaping @Sendable () async throws -> Int, stop: @escaping @Sendable () async -> Void
  ) throws {
    let limit = Quantity.seconds(drainTimeout)
    try run {
      let unfinished = try await body()
      if unfinished > 0 { Console.complain("connections closed unfinished after \(limit): \(unfinished)") }
    } stop: {
      await stop()
    }
  }

  private static func run(
    _ body: @escaping @Sendable () async throws -> Void, stop: @escaping @Sendable () async -> Void
  ) throws {
    try OpenFiles.require(neededDescriptors)
    // Before any other thread is started: they inherit that the signals are blocked.
    var signals = try StopSignals()
    defer { StopSignals.ignore() }
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
