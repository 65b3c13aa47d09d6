public import Multiplex
public import SystemPackage

/// Is told what happens on a reactor, as it happens: for traces, logs, metrics, or an inspector.
///
///     struct ByteCounter: ReactorObserver {
///       let events: ReactorEvents = .transfers
///       func sent(_ count: Int, on connection: ObservedConnection) { bytesSent.increment(by: count) }
///     }
///     let reactor = try Reactor(observer: ByteCounter())
///
/// Everything is called on the reactor's thread, in the order in which it happened, and keeps that thread from its work:
/// be quick, don't block, and don't call back into the reactor. That may be within any task that runs on the reactor: what
/// belongs to a task, as its local values and its cancellation, means nothing there. An observer of several reactors is
/// called by their threads at the same time. What an observer doesn't implement does nothing; what its ``events`` leave
/// out isn't called.
///
/// Without an observer, each of these places costs a branch.
public protocol ReactorObserver: Sendable {
  /// What to be told, all of it unless implemented. Asked for once, when the reactor is made.
  var events: ReactorEvents { get }

  // MARK: Turns

  /// A wait has found a descriptor ready: a listener's, a connection's, or one that was lent to
  /// ``Reactor/readiness(of:for:)``.
  func ready(_ descriptor: FileDescriptor, for readiness: Readiness)

  /// The loop has dealt with what a wait has found, and is about to wait again.
  ///
  /// - Parameter readyCount: How many descriptors were ready; none if timers or other threads have ended the wait.
  func turnEnded(readyCount: Int)

  // MARK: Listeners

  /// A listener takes connections from now on.
  func listening(_ listener: ObservedListener)

  /// A connection could not be accepted, or not be kept.
  ///
  /// For want of a descriptor or of memory the connection waits in the kernel. The listener tries again a tenth of a
  /// second later, or when one of its connections ends; so this comes about as often for as long as the want lasts.
  func acceptFailed(_ listener: ObservedListener, because error: MultiplexError)

  /// A listener takes no more connections.
  func stoppedListening(_ listener: ObservedListener)

  // MARK: Connections

  /// A connection was accepted, or has come about.
  func opened(_ connection: ObservedConnection)

  /// A connection is closed, and is not told of again. So many bytes (`unsent`) were written to it and are lost, as far as
  /// this side knows.
  func closed(_ connection: ObservedConnection, because reason: CloseReason, unsent: Int)

  // MARK: Transfers

  /// Bytes have come, at least one.
  func received(_ count: Int, on connection: ObservedConnection)

  /// The peer has finished sending.
  func receivedEnd(on connection: ObservedConnection)

  /// The kernel has taken bytes to send, at least one; or on io_uring, was given them, a few hundred KiB ahead at most.
  func sent(_ count: Int, on connection: ObservedConnection)

  /// So many bytes wait in the connection's queue until there is room to send them. Called when a write was queued, and
  /// when a part of the queue was sent.
  func queued(_ count: Int, on connection: ObservedConnection)
}

/// An observer implements what it needs.
extension ReactorObserver {
  /// Everything.
  public var events: ReactorEvents { .all }

  /// Does nothing.
  public func ready(_ descriptor: FileDescriptor, for readiness: Readiness) {}

  /// Does nothing.
  public func turnEnded(readyCount: Int) {}

  /// Does nothing.
  public func listening(_ listener: ObservedListener) {}

  /// Does nothing.
  public func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) {}

  /// Does nothing.
  public func stoppedListening(_ listener: ObservedListener) {}

  /// Does nothing.
  public func opened(_ connection: ObservedConnection) {}

  /// Does nothing.
  public func closed(_ connection: ObservedConnection, because reason: CloseReason, unsent: Int) {}

  /// Does nothing.
  public func received(_ count: Int, on connection: ObservedConnection) {}

  /// Does nothing.
  public func receivedEnd(on connection: ObservedConnection) {}

  /// Does nothing.
  public func sent(_ count: Int, on connection: ObservedConnection) {}

  /// Does nothing.
  public func queued(_ count: Int, on connection: ObservedConnection) {}
}
