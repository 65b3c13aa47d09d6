internal import SystemPackage

extension Poller {
  /// Waits until a descriptor is ready, somebody wakes the poller, or the time is up.
  ///
  /// An interruption by a signal doesn't end the wait, nor does it begin anew: it continues with the time left.
  ///
  /// - Parameter timeout: nil waits without limit; zero and less don't wait. A wait never ends before its time.
  /// - Returns: What is ready, valid until the next wait; nothing when the time is up or the poller was only woken.
  /// - Throws: ``MultiplexError/Reason/closed``, or what the kernel is short of: memory (ENOMEM), or descriptors, where it
  ///   has to be told anew what to watch (``MultiplexError/Reason/openFileLimit``). Nothing is lost by that; wait again.
  public func wait(timeout: Duration? = nil) throws(MultiplexError) -> Events {
    try wait(until: Deadline(after: timeout))
  }

  /// Waits as ``wait(timeout:)`` does, until a moment instead of for a time.
  public func wait(until deadline: ContinuousClock.Instant) throws(MultiplexError) -> Events {
    try wait(until: Deadline(at: deadline))
  }

  private func wait(until deadline: Deadline) throws(MultiplexError) -> Events {
    let implementation = try requireOpen(for: "Poller.wait")
    turn += 1
    hasChanges = false
    registry.beginTurn()
    try look(until: deadline, by: implementation)
    if registry.wasWoken { waker.reset() }
    return Events(poller: self, turn: turn, wasWoken: registry.wasWoken)
  }

  /// Waits as often as it takes to find something, to be woken, or to see the time pass.
  private func look(until deadline: Deadline, by implementation: any ReadinessBackend) throws(MultiplexError) {
    while true {
      let timeout = deadline.remaining
      do {
        try implementation.wait(timeout: timeout, registry: &registry)
      } catch let error where registry.findings.isEmpty {
        guard error.errno == .interrupted else { throw error }
        continue
      } catch {
        // What was found before the error is not lost: one-shot registrations and edges aren't reported again. An
        // error that lasts comes back with the next wait.
      }
      if registry.hasFound || timeout == .zero { return }
    }
  }

  /// What is left of a finding of the last wait, in view of what has been unregistered or modified since then.
  @usableFromInline
  func due(_ finding: Registry.Finding) -> Event? {
    guard let registration = registry[finding.key] else { return nil }
    let readiness = finding.event.readiness.intersection(Readiness(of: registration.interest))
    guard !readiness.isEmpty else { return nil }
    return Event(descriptor: finding.event.descriptor, token: registration.token, readiness: readiness)
  }
}
