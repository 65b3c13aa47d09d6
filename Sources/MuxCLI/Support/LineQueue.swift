import Foundation
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Lines for people, on their way to one of the standard streams: a thread of its own writes them, as a reader may keep it
/// waiting for ever. Whoever adds one never waits.
///
/// What is added while there is no room is lost, and counted in the stream.
final class LineQueue: @unchecked Sendable {
  /// How many bytes may wait.
  private static let capacity = 1 << 20
  /// How long to sleep between two looks at the clock.
  private static let lookInterval = 0.05

  private let write: @Sendable ([UInt8]) -> Void
  /// Guards what follows.
  private let condition = NSCondition()
  private var pending: [UInt8] = []
  /// How many lines were lost since the pending ones.
  private var dropped = 0
  private var isWriting = false
  private var hasThread = false

  /// - Parameter write: Is called on the thread, and may block.
  init(_ write: @escaping @Sendable ([UInt8]) -> Void) {
    self.write = write
  }

  /// Adds lines, without the end of the last.
  func add(_ text: String) {
    condition.withLock {
      let bytes = "\(text)\n".utf8
      // One after those that were lost would hide that something is missing between them. One that is too long by itself
      // has room in an empty queue.
      guard dropped == 0, pending.isEmpty || pending.count + bytes.count <= Self.capacity else {
        dropped += bytes.count { $0 == UInt8(ascii: "\n") }
        return
      }
      pending += bytes
      startThread()
      condition.broadcast()
    }
  }

  /// Waits until all that was added has been written, but not for ever.
  func flush(within limit: Duration) {
    let deadline = ContinuousClock.now + limit
    condition.withLock {
      while isWriting || !pending.isEmpty || dropped > 0, .now < deadline {
        // Dates follow the machine's clock, which may be set meanwhile: none is far away.
        _ = condition.wait(until: Date(timeIntervalSinceNow: Self.lookInterval))
      }
    }
  }

  // MARK: The thread

  /// When it is first needed: most commands have nothing to say.
  private func startThread() {
    guard !hasThread else { return }
    hasThread = true
    // It inherits that no signal is for it. The one that tells of a reader that has gone would end the process.
    var (all, previous) = (sigset_t(), sigset_t())
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_SETMASK, &all, &previous)
    Thread.detachNewThread { [self] in
      while true { write(next()) }
    }
    unsafe pthread_sigmask(SIG_SETMASK, &previous, nil)
  }

  /// Waits for what is to be written next.
  private func next() -> [UInt8] {
    condition.withLock {
      isWriting = false
      condition.broadcast()
      while pending.isEmpty, dropped == 0 { condition.wait() }
      isWriting = true
      defer { (pending, dropped) = ([], 0) }
      return pending + note
    }
  }

  private var note: [UInt8] {
    guard dropped > 0 else { return [] }
    return Array("mux: \(Quantity.counted(dropped, "line")) dropped: output wasn't read in time\n".utf8)
  }
}
