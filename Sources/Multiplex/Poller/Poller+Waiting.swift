internal import SystemPackage

extension Poller {
  /// Waits until a descriptor is ready, the poller is woken, or the time is up.
  ///
  /// An interruption by a signal doesn't end the wait: it continues with the time left.
  ///
  /// - Parameter timeout: nil waits without limit; zero or less doesn't wait. A wait never ends early.
  /// - Returns: The events, valid until the next wait; none when the time is up or the poller was only woken.
  /// - Throws: ``MultiplexError/Reason/closed``. If the kernel is short of something: ENOMEM;
  ///   ``MultiplexError/Reason/openFileLimit`` or ENOSPC (`fs.epoll.max_user_watches`), if the descriptors have to be
  ///   registered with it again; with io_uring also why a descriptor couldn't be polled, which the error names. Then
  ///   nothing is lost: wait again.
  public func wait(timeout: Duration? = nil) throws(MultiplexError) -> Events {
    try wait(until: Deadline(after: timeout))
  }

  /// Waits as ``wait(timeout:)`` does, until an instant instead of for a duration.
  ///
  /// - Throws: As ``wait(timeout:)`` does.
  public func wait(until deadline: ContinuousClock.Instant) throws(MultiplexError) -> Events {
    try wait(until: Deadline(at: deadline))
  }

  /// How many descriptors the last wait could report, if it may have left some that are ready; nil if it hasn't.
  package var reportLimit: Int? { registry.reportLimit }

  private func wait(until deadline: Deadline) throws(MultiplexError) -> Events {
    let implementation = try requireOpen(for: "Poller.wait")
    turn += 1
    hasChanges = false
    registry.beginTurn()
    try look(until: deadline, by: implementation)
    if registry.wasWoken { waker.reset() }
    return Events(poller: self, turn: turn, wasWoken: registry.wasWoken)
  }

  /// Waits repeatedly until something is found, the poller is woken, or the time is up.
  private func look(until deadline: Deadline, by implementation: any ReadinessBackend) throws(MultiplexError) {
    while true {
      do {
        try implementation.wait(timeout: deadline.remaining, registry: &registry)
      } catch let error where registry.findings.isEmpty {
        guard error.errno == .interrupted else { throw error }
        // Even if no time is left, it has to look once.
        continue
      } catch {
        // Findings from before the error must not be lost: one-shot registrations and edges aren't reported again. A
        // persistent error recurs in the next wait.
      }
      guard !registry.hasFound, deadline.remaining != .zero else { return }
    }
  }

  /// What remains of a finding of the last wait after later changes of the registrations.
  @usableFromInline
  func due(_ finding: Registry.Finding) -> Event? {
    guard let registration = registry[finding.key] else { return nil }
    let readiness = finding.event.readiness.intersection(Readiness(of: registration.interest))
    guard !readiness.isEmpty else { return nil }
    return Event(descriptor: finding.event.descriptor, token: registration.token, readiness: readiness)
  }
}
