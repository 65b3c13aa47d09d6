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
  /// The time between two checks of the deadline, in seconds.
  private static let checkInterval = 0.05

  private let write: @Sendable ([UInt8]) -> Void
  /// Guards the properties below.
  private let condition = NSCondition()
  private var pending: [UInt8] = []
  /// The number of lines that were dropped after the pending ones.
  private var dropped = 0
  private var isWriting = false
  private var hasThread = false

  /// Makes an empty queue.
  ///
  /// - Parameter write: Called on the thread; may block.
  init(_ write: @escaping @Sendable ([UInt8]) -> Void) {
    self.write = write
  }

  /// Adds lines.
  ///
  /// - Parameter text: One or more lines, without the last newline.
  func add(_ text: String) {
    condition.withLock {
      let bytes = "\(text)\n".utf8
      // A line added after dropped ones would hide the gap. An empty queue takes even a text that exceeds the capacity.
      guard dropped == 0, pending.isEmpty || pending.count + bytes.count <= Self.capacity else {
        dropped += bytes.count { $0 == UInt8(ascii: "\n") }
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
    condition.withLock {
      startThread()
      // There may be no thread to be had. Then these lines are written here.
      if !hasThread, !pending.isEmpty { write(takeAll()) }
      while isWriting || !pending.isEmpty || dropped > 0, .now < deadline {
        // Dates follow the wall clock, which may be set meanwhile, so each wait is short.
        _ = condition.wait(until: Date(timeIntervalSinceNow: Self.checkInterval))
      }
    }
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
        while true { write(next()) }
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
    return pending + note
  }

  private var note: [UInt8] {
    guard dropped > 0 else { return [] }
    return Array("mux: \(Quantity.counted(dropped, "line")) dropped: output wasn't read in time\n".utf8)
  }
}
