internal import Multiplex

/// The waits for one lent descriptor, of which there may be several: one task reads while another writes.
///
/// It is registered by the first wait, and stays so, silent, when there is none: most descriptors are waited for again
/// and again, and to arm a registration costs one call where two would remove it and make another. Nobody tells when the
/// descriptor is closed; then the next wait for the number finds another file, or none, and the poller deals with that.
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
    let wait = ReadinessWait(descriptor: descriptor, interest: interest, body: body) { [weak self] wait in
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
    // Without its wait the registration would fire for nobody, and perhaps for another file.
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

  /// Forgets the descriptor. If it was closed while it was waited for, nobody is left waiting.
  func giveUp() {
    let rest = waits
    waits = []
    if isRegistered { driver.unregister(descriptor) }
    isRegistered = false
    rest.forEach { $0.finish(.invalid) }
  }

  private func arm() throws(MultiplexError) {
    // Silent after its one-shot event.
    guard var interest = waits.first?.interest else { return }
    for wait in waits { interest = interest | wait.interest }
    if isRegistered { return try driver.arm(descriptor, for: interest) }
    try driver.register(descriptor, for: interest, mode: .oneShot, telling: self)
    isRegistered = true
  }
}

extension Array {
  /// Those that satisfy the predicate, and those that don't, each in their order.
  fileprivate func partitioned(_ predicate: (Element) -> Bool) -> (matching: [Element], rest: [Element]) {
    (filter(predicate), filter { !predicate($0) })
  }
}
