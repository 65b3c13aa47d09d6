internal import Multiplex

/// A listening socket, as a driver accepts its connections. Belongs to its event loop's thread.
protocol Acceptor: AnyObject {
  /// The listening descriptor.
  var rawDescriptor: Int32 { get }

  /// Accepts the next connection without waiting; nil if there is none, or other work has to run first.
  func acceptNow() throws(MultiplexError) -> AcceptedSocket?

  /// Stops accepting connections ahead, before ``close()``. Others are left to the kernel from now on.
  func stopAccepting()

  /// Takes the next connection that was accepted ahead; nil if there is none.
  func takeAccepted() -> AcceptedSocket?

  /// Accepts the next connection that the kernel has, whatever other work there is; nil if there is none.
  func acceptPending() throws(MultiplexError) -> AcceptedSocket?

  /// Notified of the ends of waits. It is retained, and retains the acceptor, until ``close()``.
  var delegate: (any AcceptorDelegate)? { get set }

  /// Notifies the delegate, once, when there may be a connection.
  ///
  /// - Parameter onlyOne: Whether there is room for only one connection: any others have to wait in the kernel.
  /// - Throws: Why it can't wait; no wait is pending then.
  func awaitConnection(onlyOne: Bool) throws(MultiplexError)

  /// Cancels the wait.
  func cancelWait()

  /// Closes the socket, and releases the delegate.
  func close()
}
