internal import Multiplex

/// How a reactor does I/O: by waiting until a call wouldn't block (readiness), or by handing calls to the kernel and
/// waiting until they are done (completion). Nothing above knows which.
///
/// Everything here belongs to the thread of the event loop.
protocol Driver: AnyObject {
  /// Where the buffers of receives come from.
  var pool: BufferPool { get }

  /// A pipe for what is forwarded.
  var sparePipe: SpareSplicePipe { get }

  /// Takes a buffer back that a channel has received into.
  func give(back buffer: PooledBuffer)

  /// Ends ``turn(for:)`` from any thread.
  var waker: Waker { get }

  /// Ends the waits for lent descriptors that were closed meanwhile. Where the kernel doesn't tell, turns find them by
  /// themselves, but not those that find something else.
  func endWaitsOfClosed()

  /// Waits once for I/O, and lets the channels deal with what has come.
  ///
  /// - Parameter limit: How long; nil waits without limit, zero and less don't wait.
  /// - Returns: Whether the driver was woken.
  func turn(for limit: Duration?) throws(MultiplexError) -> Bool

  /// Takes over a connected, or connecting, socket.
  ///
  /// - Parameter isUnix: Whether it is a Unix socket.
  func makeChannel(_ descriptor: consuming OwnedDescriptor, isUnix: Bool) throws(MultiplexError) -> any Channel

  /// Takes over a listening socket.
  func makeAcceptor(_ descriptor: consuming OwnedDescriptor) throws(MultiplexError) -> any Acceptor

  /// Connects a socket that was made for the address. Calls back once with how that went, perhaps before this returns.
  ///
  /// - Returns: What takes that back; nil if it is done.
  func connect(
    _ socket: Socket, to address: SocketAddress, _ body: @escaping (Result<Void, MultiplexError>) -> Void
  ) throws(MultiplexError) -> (any CancellableWait)?

  /// Calls back once when a lent descriptor is ready for all or part of the interest.
  ///
  /// - Returns: What takes that back.
  func awaitReadiness(
    of fd: Int32, for interest: Interest, _ body: @escaping (Readiness) -> Void
  ) throws(MultiplexError) -> ReadinessWait

  /// Lets go of lent descriptors whose waits were taken back, without waiting for the next turn: until then they may stay open
  /// in the kernel, whoever closes them.
  func letGo()

  /// Called once, when no turn follows: lets the kernel take what it was given, and give up what it was lent.
  func finish()
}

extension Driver {
  func give(back buffer: PooledBuffer) {
    unsafe pool.give(back: buffer)
  }

  func letGo() {}

  func finish() {}
}
