/// Who is told what an acceptor's wait has come to. On the thread of its event loop.
protocol AcceptorDelegate: AnyObject {
  /// It is worth trying to accept.
  func acceptorHasConnection()
}
