internal import Multiplex
internal import SystemPackage

/// A listening socket on a readiness driver.
final class ReadinessAcceptor: Acceptor, ReadinessHandler {
  /// How many connections of a turn are accepted at once. A flood of them would keep all others waiting otherwise.
  private static let share = 64

  private let socket: Socket
  private unowned let driver: ReadinessDriver
  private var waiter: (() -> Void)?
  /// The turn in which `accepts` were made.
  private var turn: UInt64 = 0
  private var accepts = 0

  init(_ descriptor: consuming OwnedDescriptor, driver: ReadinessDriver) throws(MultiplexError) {
    socket = Socket(adopting: descriptor)
    self.driver = driver
  }

  var rawDescriptor: Int32 { socket.fileDescriptor.rawValue }

  func acceptNow() throws(MultiplexError) -> Socket? {
    guard hasShare else { return nil }
    return try socket.accept()
  }

  private var hasShare: Bool {
    if turn != driver.turn {
      turn = driver.turn
      accepts = 0
    }
    accepts += 1
    return accepts <= Self.share
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
