internal import Multiplex
internal import SystemPackage

/// One wait for a borrowed descriptor on a completion driver.
final class CompletionPoll: CompletionHandler, DeferredNotifier {
  let descriptor: FileDescriptor
  private let interest: Interest
  private unowned let driver: CompletionDriver
  private var slot: HandlerTable.Slot = 0
  /// Nil once it is over.
  private var wait: ReadinessWait?
  /// What was found, until that is reported.
  private var found: Readiness?
  /// Whether the poll has completed for the last time.
  private var isOver = false

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
    let wait = ReadinessWait(for: interest, body: body) { [weak poll] _ in poll?.cancel() }
    poll.wait = wait
    poll.slot = driver.insert(poll)
    poll.begin(isMultishot: false)
    return wait
  }

  private func begin(isMultishot: Bool) {
    isOver = false
    let events = EpollEvents(wakingFor: interest)
    let token = RingOperation.poll.token(of: slot)
    driver.start(.poll(descriptor, for: events, isMultishot: isMultishot, token: token))
  }

  private func cancel() {
    guard wait != nil else { return }
    wait = nil
    // Once something is found, the poll is over or was cancelled. Its slot may be another's by now.
    guard found == nil else { return }
    if isOver { driver.remove(self, from: slot) } else { driver.cancel(.poll, of: slot) }
  }

  /// Ends the wait, as the descriptor was closed or handed over.
  func end() {
    let wait = self.wait
    cancel()
    wait?.finish(.invalid)
  }

  func handle(_ completion: Ring.Completion, of operation: RingOperation) {
    isOver = !completion.hasMore
    if wait != nil, found == nil, let readiness = readiness(after: completion) {
      found = readiness
      if !isOver { driver.cancel(.poll, of: slot) }
      driver.notifyLater(self)
    }
    // Until it has been reported, the poll keeps its slot.
    guard isOver, found == nil else { return }
    if wait == nil { return driver.remove(self, from: slot) }
    // A file that wakes nobody, as /dev/null, and isn't ready for this: it never will be.
    if completion.errno == .invalidArgument { return }
    // It ended in vain, as each poll does when the peer has finished sending. A multishot one reports that once, and
    // goes on.
    begin(isMultishot: true)
  }

  func notifyDelegate() {
    guard let readiness = found else { return }
    found = nil
    let wait = self.wait
    self.wait = nil
    if isOver { driver.remove(self, from: slot) }
    wait?.finish(readiness)
  }

  /// - Returns: nil if the descriptor isn't ready for what is waited for.
  private func readiness(after completion: Ring.Completion) -> Readiness? {
    switch completion.errno {
    case nil: break
    case .badFileDescriptor?, .canceled?: return .invalid
    case .invalidArgument?: return nil
    // The kernel is short of something.
    case _?: return .error
    }
    var found = Readiness(foundBy: completion)
    if interest.contains(.priority) {
      // A wakeup by data says nothing about priority data.
      found = Readiness.current(of: descriptor, for: interest)
      if completion.foundPriority { found.insert(.priority) }
    }
    let readiness = found.intersection(Readiness(of: interest))
    return readiness.isEmpty ? nil : readiness
  }
}
