internal import SystemPackage
internal import Synchronization

/// Ends a poller's wait, from any thread.
///
/// Wakes are coalesced: however many come before the poller is back from its wait, they cost one system call and end
/// one wait. None is lost: one that comes while the poller isn't waiting ends the next wait at once. What was written
/// to memory before a wake can be read after the wait that it ended. Waking a closed poller does nothing.
public final class Waker: Sendable {
  private let descriptor: OwnedDescriptor
  private let isPending = Atomic(false)

  package init() throws(MultiplexError) {
    do {
      descriptor = OwnedDescriptor(adopting: try Kernel.eventfd())
    } catch {
      throw MultiplexError(call: "eventfd", errno: error)
    }
  }

  /// Ends the wait that is under way, or else the next one.
  ///
  /// Corresponding C function: `write` to an `eventfd`.
  public func wake() {
    guard !isPending.exchange(true, ordering: .acquiringAndReleasing) else { return }
    // The counter can't overflow, as it is raised once between two waits; an interruption is the one thing to repeat.
    _ = try? transfer { () throws(Errno) in try Kernel.raiseEvent(descriptor.rawDescriptor) }
  }

  /// Makes the next wake count again. Whoever wakes from here on writes anew.
  package func reset() {
    Kernel.resetEvent(descriptor.rawDescriptor)
    _ = isPending.exchange(false, ordering: .acquiringAndReleasing)
  }

  /// Readable while a wake is pending.
  package var rawDescriptor: Int32 { descriptor.rawDescriptor }
}
