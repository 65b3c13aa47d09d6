internal import Multiplex
internal import SystemPackage

/// One wait for a borrowed descriptor on a completion driver.
final class CompletionPoll: CompletionHandler {
  let descriptor: FileDescriptor
  private let interest: Interest
  private unowned let driver: CompletionDriver
  private var slot: HandlerTable.Slot = 0
  /// Nil once it is over.
  private var wait: ReadinessWait?

  private init(_ descriptor: FileDescriptor, for interest: Interest, _ driver: CompletionDriver) {
    self.descriptor = descriptor
    self.interest = interest
    self.driver = driver
  }

  static func start(
    _ descriptor: FileDescriptor, for interest: Interest, on driver: CompletionDriver,
    _ body: @escaping (Readiness) -> Void
  ) -> ReadinessWait {
    let poll = CompletionPoll(descriptor, for: interest, driver)
    let wait = ReadinessWait(descriptor: descriptor.rawValue, interest: interest, body: body) { [weak poll] _ in
      poll?.cancel()
    }
    poll.wait = wait
    poll.slot = driver.insert(poll)
    poll.begin(isMultishot: false)
    return wait
  }

  private func begin(isMultishot: Bool) {
    let events = EpollEvents(wakingFor: interest)
    let token = RingOperation.poll.token(of: slot)
    driver.start(.poll(descriptor, for: events, isMultishot: isMultishot, token: token))
  }

  private func cancel() {
    wait = nil
    driver.cancel(.poll, of: slot)
  }

  /// Ends the wait, as the descriptor was closed or handed over.
  func end() {
    let wait = self.wait
    cancel()
    wait?.finish(.invalid)
  }

  func handle(_ completion: Ring.Completion, of operation: RingOperation) {
    if let wait, let readiness = readiness(after: completion) {
      self.wait = nil
      if completion.hasMore { driver.cancel(.poll, of: slot) }
      wait.finish(readiness)
    }
    guard !completion.hasMore else { return }
    if wait == nil {
      driver.remove(self, from: slot)
    } else {
      // It ended in vain, as each poll does when the peer has finished sending. A multishot one reports that once, and
      // goes on.
      begin(isMultishot: true)
    }
  }

  /// - Returns: nil if the descriptor isn't ready for what is waited for.
  private func readiness(after completion: Ring.Completion) -> Readiness? {
    guard completion.errno == nil else { return .invalid }
    // A wakeup by priority data doesn't say that it is priority data.
    let found =
      interest.contains(.priority)
      ? Readiness.current(of: descriptor, for: interest) : Readiness(foundBy: completion)
    let readiness = found.intersection(Readiness(of: interest))
    return readiness.isEmpty ? nil : readiness
  }
}
