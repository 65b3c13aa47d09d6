/// Is notified when an acceptor may have a connection, on its event loop's thread.
protocol AcceptorDelegate: AnyObject {
  /// It is worth trying to accept.
  func acceptorHasConnection()
}
