internal import Multiplex

/// The waits for one lent descriptor, of which there may be several: one task reads while another writes.
///
/// The descriptor is registered for as long as there is a wait.
final class DescriptorWaits: ReadinessHandler {
  private let descriptor: Int32
  private unowned let driver: ReadinessDriver
  private var waits: [ReadinessWait] = []

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
    let (due, rest) = waits.partitioned { readiness.concerns($0.interest) }
    waits = rest
    armOrGiveUp()
    due.forEach { $0.finish(readiness) }
  }

  private func remove(_ wait: ReadinessWait) {
    waits.removeAll { $0 === wait }
    armOrGiveUp()
  }

  private func armOrGiveUp() {
    do {
      try arm()
    } catch {
      giveUp()
    }
  }

  /// The descriptor was closed while it was waited for. Nobody is left waiting, and its number is free for another.
  private func giveUp() {
    let rest = waits
    waits = []
    driver.forget(descriptor)
    rest.forEach { $0.finish(.invalid) }
  }

  private func arm() throws(MultiplexError) {
    guard var interest = waits.first?.interest else { return driver.forget(descriptor) }
    for wait in waits { interest = interest | wait.interest }
    try driver.arm(descriptor, for: interest)
  }
}

extension Readiness {
  /// Whether somebody with this interest is to be told.
  fileprivate func concerns(_ interest: Interest) -> Bool {
    if contains(.invalid) { return true }
    return (interest.contains(.read) && isReadable) || (interest.contains(.write) && isWritable)
      || (interest.contains(.priority) && !isDisjoint(with: [.priority, .hangUp, .error]))
  }
}

extension Array {
  /// Those that satisfy the predicate, and those that don't, each in their order.
  fileprivate func partitioned(_ predicate: (Element) -> Bool) -> (matching: [Element], rest: [Element]) {
    (filter(predicate), filter { !predicate($0) })
  }
}
