internal import Multiplex
internal import SystemPackage

/// A listening socket on a readiness driver.
final class ReadinessAcceptor: Acceptor, ReadinessHandler {
  private let socket: Socket
  private unowned let driver: ReadinessDriver
  private var waiter: (() -> Void)?
  /// Of connections that are accepted. A flood of them would keep all others waiting otherwise.
  private var share = TurnShare(64)

  init(_ descriptor: consuming OwnedDescriptor, driver: ReadinessDriver) throws(MultiplexError) {
    socket = Socket(adopting: descriptor)
    self.driver = driver
  }

  var rawDescriptor: Int32 { socket.fileDescriptor.rawValue }

  func acceptNow() throws(MultiplexError) -> Socket? {
    guard share.take(in: driver.turn) else { return nil }
    return try socket.accept()
  }

  func awaitConnection(onlyOne: Bool, _ waiter: @escaping () -> Void) {
    self.waiter = waiter
    do {
      try driver.arm(rawDescriptor, for: .read)
    } catch {
      // The next accept tells what is wrong.
      handle(.invalid)
    }
  }

  func cancelWait() {
    waiter = nil
  }

  func handle(_ readiness: Readiness) {
    let waiter = self.waiter
    self.waiter = nil
    waiter?()
  }

  func close() {
    guard !socket.isClosed else { return }
    waiter = nil
    driver.forget(rawDescriptor)
    socket.close()
  }
}
