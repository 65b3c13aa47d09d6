public import Multiplex
public import SystemPackage

/// Receives notifications of what happens on a reactor: for traces, logs, metrics, or an inspector.
///
///     struct ByteCounter: ReactorObserver {
///       let events: ReactorEvents = .transfers
///       func sent(_ count: Int, on connection: ObservedConnection) { bytesSent.increment(by: count) }
///     }
///     let reactor = try Reactor(observer: ByteCounter())
///
/// Everything is called on the reactor's thread, in the order in which it happened, and delays that thread's work: be
/// quick, don't block, and don't call back into the reactor. A call may come from within any task that runs on the
/// reactor: task-local values and cancellation mean nothing there. An observer of several reactors is called by their
/// threads concurrently. Methods that an observer doesn't implement do nothing; events that its ``events`` leave out
/// aren't reported.
///
/// Without an observer, each of these points costs a branch.
public protocol ReactorObserver: Sendable {
  /// The events to report; all of them unless implemented. Requested once, when the reactor is made.
  var events: ReactorEvents { get }

  // MARK: Turns

  /// A wait found a descriptor ready: a listener's, a connection's, also while it connects, that of a datagram socket or
  /// of signals, or one passed to ``Reactor/readiness(of:for:)``.
  func ready(_ descriptor: FileDescriptor, for readiness: Readiness)

  /// The loop has handled what a wait found, and is about to wait again.
  ///
  /// - Parameter readyCount: How many descriptors were ready; 0 if timers or other threads ended the wait.
  func turnEnded(readyCount: Int)

  /// The loop couldn't wait for I/O: memory is short, for example, or the process may no longer open as many files as
  /// the loop watches. It runs its tasks and timers, and tries again 10 milliseconds later; so this is called about that
  /// often while the failure lasts.
  func waitFailed(because error: MultiplexError)

  // MARK: Listeners

  /// A listener has begun to accept connections.
  func listening(_ listener: ObservedListener)

  /// A connection couldn't be accepted, or couldn't be kept.
  ///
  /// If descriptors or memory are lacking, the connection waits in the kernel. The listener tries again a tenth of a
  /// second later, or when one of its connections ends; so this is called about that often while the shortage lasts.
  func acceptFailed(_ listener: ObservedListener, because error: MultiplexError)

  /// A listener no longer accepts connections.
  func stoppedListening(_ listener: ObservedListener)

  // MARK: Connections

  /// A connection to an address couldn't be established; not called for attempts that were cancelled, such as those that
  /// another address of the same host has made superfluous.
  func connectFailed(to address: SocketAddress, because error: ConnectionError)

  /// A connection was accepted or otherwise established.
  func opened(_ connection: ObservedConnection)

  /// A connection is closed; no further calls mention it. As far as this side knows, `unsent` bytes were written to it
  /// and are lost.
  func closed(_ connection: ObservedConnection, because reason: CloseReason, unsent: Int)

  // MARK: Transfers

  /// Bytes were received, at least one.
  func received(_ count: Int, on connection: ObservedConnection)

  /// The peer has finished sending.
  func receivedEnd(on connection: ObservedConnection)

  /// The kernel has taken bytes to send, at least one. On io_uring at most a few hundred KiB of them may still be queued
  /// for it; if they are lost, `unsent` includes them.
  func sent(_ count: Int, on connection: ObservedConnection)

  /// `count` bytes wait in the connection's queue until there is room to send them. Called when a write was queued, and
  /// when a part of the queue was sent.
  func queued(_ count: Int, on connection: ObservedConnection)
}

/// Defaults, so that an observer implements only what it needs.
extension ReactorObserver {
  /// Everything.
  public var events: ReactorEvents { .all }

  /// Does nothing.
  public func ready(_ descriptor: FileDescriptor, for readiness: Readiness) {}

  /// Does nothing.
  public func turnEnded(readyCount: Int) {}

  /// Does nothing.
  public func waitFailed(because error: MultiplexError) {}

  /// Does nothing.
  public func listening(_ listener: ObservedListener) {}

  /// Does nothing.
  public func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) {}

  /// Does nothing.
  public func stoppedListening(_ listener: ObservedListener) {}

  /// Does nothing.
  public func connectFailed(to address: SocketAddress, because error: ConnectionError) {}

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
