/// Looks for descriptors that were closed while they were registered, for kernels that don't tell.
///
/// It takes time in proportion to all registrations. So it is done by waits that found nothing, and once a second.
struct ClosedDescriptors {
  private static let interval = Duration.seconds(1)

  private var lastSearch: ContinuousClock.Instant?

  /// Those of the registrations that are armed, but not open any more; none if the last search was just done.
  mutating func search(_ registrations: some Sequence<Registration>) -> [Registration] {
    let now = ContinuousClock.now
    if let lastSearch, now - lastSearch < Self.interval { return [] }
    lastSearch = now
    return registrations.filter { $0.isArmed && !Kernel.isOpen($0.descriptor) }
  }
}
