internal import Multiplex

/// The connections that come to a listening socket, as a driver accepts them. Belongs to the thread of its event loop.
protocol Acceptor: AnyObject {
  /// The listening descriptor.
  var rawDescriptor: Int32 { get }

  /// Takes the next connection, without waiting; nil if there is none, or it is to yield to other work first.
  func acceptNow() throws(MultiplexError) -> AcceptedSocket?

  /// Who is told of the ends of waits. It is kept, and keeps the acceptor, until ``close()``.
  var delegate: (any AcceptorDelegate)? { get set }

  /// Tells the delegate, once, when there may be a connection.
  ///
  /// - Parameter onlyOne: There is a place for one connection: any others are to wait in the kernel.
  /// - Throws: What keeps it from waiting; nothing is waited for then.
  func awaitConnection(onlyOne: Bool) throws(MultiplexError)

  /// Forgets the wait.
  func cancelWait()

  /// Closes the socket, and forgets the delegate.
  func close()
}
