internal import Multiplex
internal import SystemPackage

/// A listening socket on a readiness driver.
///
/// It is level-triggered: connections not accepted in one turn are reported again in the next. If nothing waits for
/// them, it stops watching, as they would be reported forever.
final class ReadinessAcceptor: Acceptor, ReadinessHandler {
  private let socket: Socket
  private unowned let driver: ReadinessDriver
  var delegate: (any AcceptorDelegate)?
  private var isAwaited = false
  private var isWatched = false
  /// Limits accepted connections. Otherwise a flood of them would keep all others waiting.
  ///
  /// Finding no connection costs the kernel almost as much as accepting one. So a turn takes no more than there were
  /// lately: twice as many as the last one, if there may have been more.
  private var share = TurnShare(1)
  private static let maximumShare: UInt16 = 64

  init(_ descriptor: consuming OwnedDescriptor, driver: ReadinessDriver) throws(MultiplexError) {
    socket = Socket(adopting: descriptor)
    self.driver = driver
    try watch()
  }

  var rawDescriptor: Int32 { socket.fileDescriptor.rawValue }

  func acceptNow() throws(MultiplexError) -> AcceptedSocket? {
    guard share.take(in: driver.turnNumber) else {
      share.limit = min(2 * share.limit, Self.maximumShare)
      return nil
    }
    let accepted = try socket.acceptDescriptor()
    if accepted == nil { share.limit = max(1, share.limit / 2) }
    return accepted
  }

  func stopAccepting() {}
  func takeAccepted() -> AcceptedSocket? { nil }
  func acceptPending() throws(MultiplexError) -> AcceptedSocket? { try socket.acceptDescriptor() }

  func awaitConnection(onlyOne: Bool) throws(MultiplexError) {
    try watch()
    isAwaited = true
  }

  func cancelWait() {
    isAwaited = false
  }

  func handle(_ readiness: Readiness) {
    guard isAwaited else { return stopWatching() }
    isAwaited = false
    delegate?.acceptorHasConnection()
  }

  private func watch() throws(MultiplexError) {
    guard !isWatched else { return }
    try driver.register(rawDescriptor, for: .read, mode: .level, notifying: self)
    isWatched = true
  }

  private func stopWatching() {
    guard isWatched else { return }
    isWatched = false
    driver.unregister(rawDescriptor)
  }

  func close() {
    guard !socket.isClosed else { return }
    isAwaited = false
    delegate = nil
    stopWatching()
    socket.close()
  }
}
