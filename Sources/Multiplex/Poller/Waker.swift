internal import SystemPackage
internal import Synchronization

/// Ends a poller's wait, from any thread.
///
/// Wakes are coalesced: any number of them before the poller returns from its wait cost one system call and end one
/// wait. None is lost: a wake while the poller isn't waiting ends the next wait at once. Memory written before a wake
/// can be read after the wait that it ended. Waking a closed poller does nothing.
public final class Waker: Sendable {
  private let descriptor: OwnedDescriptor
  private let isPending = Atomic(false)

  package init() throws(MultiplexError) {
    descriptor = OwnedDescriptor(adopting: try calling("eventfd", Kernel.eventfd()))
  }

  /// Ends the current wait, or else the next one.
  ///
  /// Corresponding C function: `write` to an `eventfd`.
  public func wake() {
    guard !isPending.exchange(true, ordering: .acquiringAndReleasing) else { return }
    // The counter can't overflow, as it is raised once between two waits; only an interruption needs a retry.
    _ = try? transfer { () throws(Errno) in try Kernel.raiseEvent(descriptor.rawDescriptor) }
  }

  /// Re-enables waking: the next wake writes again.
  package func reset() {
    Kernel.resetEvent(descriptor.rawDescriptor)
    _ = isPending.exchange(false, ordering: .acquiringAndReleasing)
  }

  /// Readable while a wake is pending.
  package var rawDescriptor: Int32 { descriptor.rawDescriptor }
}
