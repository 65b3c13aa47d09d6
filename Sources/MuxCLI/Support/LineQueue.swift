import Foundation
import MultiplexAsync
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A queue of lines for one of the standard streams. A dedicated thread writes them, because a reader may block it
/// forever; adding lines never waits.
///
/// Lines that are added while the queue is full are dropped, and their number is written to the stream.
final class LineQueue: @unchecked Sendable {
  /// The maximum number of queued bytes.
  private static let capacity = 1 << 20
  /// The number of bytes that are written at once: of these, it isn't known how many a reader that is stuck has got.
  private static let pieceSize = 16 << 10
  /// The time between two checks of the deadline, in seconds.
  private static let checkInterval = 0.05

  private let write: @Sendable (ArraySlice<UInt8>) throws -> Void
  private let onFirstLoss: @Sendable (any Error) -> Void
  /// Guards the properties below.
  private let condition = NSCondition()
  private var pending: [UInt8] = []
  /// The number of lines that were dropped after the pending ones.
  private var dropped = 0
  private var isWriting = false
  /// The number of lines that were taken from the queue, and aren't written yet.
  private var taken = 0
  /// The number of lines that couldn't be written.
  private var lost = 0
  private var hasThread = false

  /// Makes an empty queue.
  ///
  /// - Parameters:
  ///   - write: Called on the thread; may block.
  ///   - onFirstLoss: Called on the thread when lines can't be written for the first time.
  init(
    _ write: @escaping @Sendable (ArraySlice<UInt8>) throws -> Void,
    onFirstLoss: @escaping @Sendable (any Error) -> Void = { _ in }
  ) {
    self.write = write
    self.onFirstLoss = onFirstLoss
  }

  /// Adds lines.
  ///
  /// - Parameter text: One or more lines, without the last newline.
  func add(_ text: String) {
    condition.withLock {
      let bytes = "\(text)\n".utf8
      // A line added after dropped ones would hide the gap. An empty queue takes even a text that exceeds the capacity.
      guard dropped == 0, pending.isEmpty || pending.count + bytes.count <= Self.capacity else {
        dropped += Self.lineCount(bytes)
        return
      }
      pending += bytes
      startThread()
      condition.broadcast()
    }
  }

  /// Waits until all lines have been written, or the time is up.
  func flush(within limit: Duration) {
    let deadline = ContinuousClock.now + limit
    let threadless: [UInt8] = condition.withLock {
      startThread()
      return hasThread || pending.isEmpty ? [] : takeAll()
    }
    // There may be no thread to be had. Then these lines are written here.
    writePieces(of: threadless)
    condition.withLock {
      while isWriting || !pending.isEmpty || dropped > 0, .now < deadline {
        // Dates follow the wall clock, which may be set meanwhile, so each wait is short.
        _ = condition.wait(until: Date(timeIntervalSinceNow: Self.checkInterval))
      }
    }
  }

  /// The number of lines that weren't written, and never will be unless the thread goes on.
  var unwrittenCount: Int {
    condition.withLock { lost + taken + Self.lineCount(pending) + dropped }
  }

  private static func lineCount(_ bytes: some Sequence<UInt8>) -> Int {
    bytes.count { $0 == UInt8(ascii: "\n") }
  }

  // MARK: The thread

  /// Starts the thread when it is first needed: most commands print no lines this way. If it can't be started, the next
  /// line tries again.
  private func startThread() {
    guard !hasThread, !pending.isEmpty else { return }
    // The thread inherits the mask: all signals are blocked. SIGPIPE would end the process when a reader has gone.
    var (all, previous) = (sigset_t(), sigset_t())
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &previous, nil) }
    do {
      try DetachedThread.start(named: "output") { [self] in
        while true { writePieces(of: next()) }
      }
      hasThread = true
    } catch {}
  }

  /// Waits for the next bytes to write.
  private func next() -> [UInt8] {
    condition.withLock {
      isWriting = false
      condition.broadcast()
      while pending.isEmpty, dropped == 0 { condition.wait() }
      isWriting = true
      return takeAll()
    }
  }

  private func takeAll() -> [UInt8] {
    defer { (pending, dropped) = ([], 0) }
    // The note stands for the lines that were dropped.
    taken = Self.lineCount(pending) + dropped
    return pending + note
  }

  private func writePieces(of bytes: [UInt8]) {
    var rest = bytes[...]
    do {
      while !rest.isEmpty {
        let piece = rest.prefix(Self.pieceSize)
        try write(piece)
        rest = rest.dropFirst(piece.count)
        let count = Self.lineCount(piece)
        condition.withLock { taken = rest.isEmpty ? 0 : max(0, taken - count) }
      }
    } catch {
      noteLoss(error)
    }
  }

  private func noteLoss(_ error: any Error) {
    let isFirst = condition.withLock {
      defer { (lost, taken) = (lost + taken, 0) }
      return lost == 0
    }
    if isFirst { onFirstLoss(error) }
  }

  private var note: [UInt8] {
    guard dropped > 0 else { return [] }
    return Array("mux: \(Quantity.counted(dropped, "line")) dropped: output wasn't read in time\n".utf8)
  }
}
