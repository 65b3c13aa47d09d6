internal import Multiplex

/// The connections that come to a listening socket, as a driver accepts them. Belongs to the thread of its event loop.
protocol Acceptor: AnyObject {
  /// The listening descriptor.
  var rawDescriptor: Int32 { get }

  /// Takes the next connection, without waiting; nil if there is none, or others are to have their turn first.
  func acceptNow() throws(MultiplexError) -> Socket?

  /// Calls back once when there may be a connection. At most one such wait at a time.
  ///
  /// - Parameter onlyOne: There is a place for one connection: any others are to wait in the kernel.
  func awaitConnection(onlyOne: Bool, _ waiter: @escaping () -> Void)

  /// Forgets the wait.
  func cancelWait()

  /// Closes the socket.
  func close()
}
