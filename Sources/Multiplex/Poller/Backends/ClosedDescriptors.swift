/// Looks for descriptors that were closed while they were registered, for backends whose kernel doesn't report that.
///
/// Done by some of the waits that found nothing. Looking at all registrations takes too long for a short wait, which
/// then looks at a part of them, in proportion to the time that has passed.
struct ClosedDescriptors {
  /// How often to look at all of them.
  private static let period = Duration.seconds(1)
  /// The fewest registrations that are worth a search.
  private static let minimum = 1024.0

  private var last: ContinuousClock.Instant?
  /// The descriptor to go on with.
  private var position: Int32 = 0

  /// Returns registrations that are armed but no longer open; none if the last search was too recent.
  ///
  /// - Parameter isWatched: Whether a registration is one of the backend's.
  mutating func search(_ registry: Registry, where isWatched: (Registration) -> Bool) -> [Registration] {
    let now = ContinuousClock.now
    let share = last.map { min((now - $0) / Self.period, 1) } ?? 1
    let count = Double(registry.count) * share
    guard share == 1 || count >= Self.minimum else { return [] }
    last = now
    return search(registry, upTo: Int(count), where: isWatched)
  }

  private mutating func search(
    _ registry: Registry, upTo count: Int, where isWatched: (Registration) -> Bool
  ) -> [Registration] {
    var found: [Registration] = []
    var rest = count
    // At the end, it begins again.
    for start in [position, 0] {
      for registration in registry.registrations(from: start).prefix(rest) {
        rest -= 1
        position = registration.descriptor + 1
        guard isWatched(registration), registration.state == .armed, !Kernel.isOpen(registration.descriptor) else {
          continue
        }
        found.append(registration)
      }
    }
    return found
  }
}
