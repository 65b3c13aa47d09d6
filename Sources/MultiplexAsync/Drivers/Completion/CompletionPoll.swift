internal import Multiplex
internal import SystemPackage

/// One wait for a borrowed descriptor on a completion driver.
final class CompletionPoll: CompletionHandler {
  let descriptor: FileDescriptor
  private unowned let driver: CompletionDriver
  private var slot: HandlerTable.Slot = 0
  private var wait: ReadinessWait?

  private init(_ descriptor: FileDescriptor, _ driver: CompletionDriver) {
    self.descriptor = descriptor
    self.driver = driver
  }

  static func start(
    _ descriptor: FileDescriptor, for interest: Interest, on driver: CompletionDriver,
    _ body: @escaping (Readiness) -> Void
  ) -> ReadinessWait {
    let poll = CompletionPoll(descriptor, driver)
    let slot = driver.insert(poll)
    let wait = ReadinessWait(descriptor: descriptor.rawValue, interest: interest, body: body) { [unowned driver] _ in
      driver.cancel(.poll, of: slot)
    }
    poll.slot = slot
    poll.wait = wait
    driver.start(
      .poll(descriptor, for: EpollEvents(interest, .level), token: RingOperation.poll.token(of: slot)))
    return wait
  }

  /// Ends the wait, as the descriptor was closed or handed over.
  func end() {
    driver.cancel(.poll, of: slot)
    wait?.finish(.invalid)
  }

  func handle(_ completion: Ring.Completion, of operation: RingOperation) {
    driver.remove(self, from: slot)
    if completion.errno == nil {
      wait?.finish(Readiness(kernelBits: UInt32(bitPattern: completion.result)))
    } else {
      // This doesn't notify a cancelled wait.
      wait?.finish(.invalid)
    }
  }
}
