internal import Multiplex

/// How a reactor does I/O: by waiting until a call wouldn't block (readiness), or by handing calls to the kernel and
/// waiting until they are done (completion). The layers above don't know which.
///
/// Everything here belongs to the thread of the event loop.
protocol Driver: AnyObject {
  /// The pool that receives take their buffers from.
  var pool: BufferPool { get }

  /// A pipe for forwarding.
  var sparePipe: SpareSplicePipe { get }

  /// Takes back a buffer that a channel has received into.
  func recycle(_ buffer: PooledBuffer)

  /// Ends ``wait(for:)``, from any thread.
  var waker: Waker { get }

  /// Ends the waits for borrowed descriptors that were closed meanwhile. Where the kernel doesn't report that, turns
  /// find them, but only those turns that find nothing else.
  func endWaitsOfClosed()

  /// Waits once for I/O. ``handleEvents()`` follows, unless it throws.
  ///
  /// - Parameter limit: How long to wait; nil sets no limit, zero or less doesn't wait.
  func wait(for limit: Duration?) throws(MultiplexError)

  /// Lets the channels handle what the wait has found.
  ///
  /// - Returns: Whether the driver was woken.
  func handleEvents() -> Bool

  /// How many more waits it takes, at most, to find everything that had happened when the last one ended; zero if that
  /// one has found everything.
  var waitsBehind: Int { get }

  /// Takes ownership of a connected, or connecting, socket.
  ///
  /// The descriptor's number can't be in use elsewhere: pending waits for it as a borrowed descriptor end, as that one
  /// was closed or handed over.
  ///
  /// - Parameter isUnix: Whether it is a Unix socket.
  func makeChannel(_ descriptor: consuming OwnedDescriptor, isUnix: Bool) throws(MultiplexError) -> any Channel

  /// Takes ownership of a listening socket. Pending waits for its descriptor's number end as with
  /// ``makeChannel(_:isUnix:)``.
  func makeAcceptor(_ descriptor: consuming OwnedDescriptor) throws(MultiplexError) -> any Acceptor

  /// Connects a socket that was made for the address. Calls back once with the outcome, perhaps before this returns.
  ///
  /// - Returns: The wait, to cancel it; nil if it is done.
  func connect(
    _ socket: Socket, to address: SocketAddress, _ body: @escaping (Result<Void, MultiplexError>) -> Void
  ) throws(MultiplexError) -> (any CancellableWait)?

  /// Calls back once when a borrowed descriptor is ready for all or part of the interest.
  ///
  /// - Returns: The wait, to cancel it.
  func awaitReadiness(
    of fd: Int32, for interest: Interest, _ body: @escaping (Readiness) -> Void
  ) throws(MultiplexError) -> ReadinessWait

  /// Makes the kernel release borrowed descriptors whose waits were cancelled, without waiting for the next turn: until
  /// then they may stay open in the kernel even after they were closed.
  func flushCancellations()

  /// Called once, when no turn follows: lets the kernel finish what it was given, and release what it borrowed.
  func finish()
}

extension Driver {
  func recycle(_ buffer: PooledBuffer) {
    unsafe pool.recycle(buffer)
  }

  func flushCancellations() {}

  func finish() {}
}
