internal import Multiplex

/// The waits for one borrowed descriptor, of which there may be several: one task reads while another writes.
///
/// The first wait registers the descriptor, and it stays registered, but disarmed, without waits: most descriptors are
/// waited for repeatedly, and arming a registration takes one call where removing and adding it takes two. Nothing
/// reports that the descriptor is closed; then the next wait for the number finds another file, or none, and the poller
/// handles that.
final class DescriptorWaits: ReadinessHandler {
  private let descriptor: Int32
  private unowned let driver: ReadinessDriver
  private var waits: [ReadinessWait] = []
  private var isRegistered = false

  init(descriptor: Int32, driver: ReadinessDriver) {
    self.descriptor = descriptor
    self.driver = driver
  }

  func add(_ interest: Interest, _ body: @escaping (Readiness) -> Void) throws(MultiplexError) -> ReadinessWait {
    let wait = ReadinessWait(for: interest, body: body) { [weak self] wait in
      self?.remove(wait)
    }
    waits.append(wait)
    do {
      try arm()
    } catch {
      waits.removeAll { $0 === wait }
      giveUp()
      throw error
    }
    return wait
  }

  func handle(_ readiness: Readiness) {
    guard !readiness.contains(.invalid) else { return giveUp() }
    let (due, rest) = waits.partitioned { !readiness.isDisjoint(with: Readiness(of: $0.interest)) }
    waits = rest
    armOrGiveUp()
    due.forEach { $0.finish(readiness.intersection(Readiness(of: $0.interest))) }
  }

  private func remove(_ wait: ReadinessWait) {
    waits.removeAll { $0 === wait }
    // Without a wait, the registration would fire for nothing, perhaps even for another file.
    if waits.isEmpty { giveUp() } else { armOrGiveUp() }
  }

  private func armOrGiveUp() {
    do {
      try arm()
    } catch {
      giveUp()
    }
  }

  func endIfClosed() {
    if !waits.isEmpty, !Kernel.isOpen(descriptor) { giveUp() }
  }

  /// Unregisters the descriptor, and ends its waits: nothing is left waiting if it was closed.
  func giveUp() {
    let rest = waits
    waits = []
    if isRegistered { driver.unregister(descriptor) }
    isRegistered = false
    rest.forEach { $0.finish(.invalid) }
  }

  private func arm() throws(MultiplexError) {
    // Disarmed after its one-shot event.
    guard var interest = waits.first?.interest else { return }
    for wait in waits { interest = interest | wait.interest }
    if isRegistered { return try driver.arm(descriptor, for: interest) }
    try driver.register(descriptor, for: interest, mode: .oneShot, notifying: self)
    isRegistered = true
  }
}

extension Array {
  /// The elements that satisfy the predicate, and those that don't, each in order.
  fileprivate func partitioned(_ predicate: (Element) -> Bool) -> (matching: [Element], rest: [Element]) {
    (filter(predicate), filter { !predicate($0) })
  }
}
