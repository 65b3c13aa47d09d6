/// Is told when an acceptor may have a connection. On the thread of its event loop.
protocol AcceptorDelegate: AnyObject {
  /// It is worth trying to accept.
  func acceptorHasConnection()
}
