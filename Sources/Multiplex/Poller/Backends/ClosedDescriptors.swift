/// Looks for descriptors that were closed while they were registered, for backends whose kernel doesn't report that.
///
/// Done by some of the waits that found nothing.
struct ClosedDescriptors {
  private var interval = SweepInterval()

  /// Returns the registrations that are armed but no longer open; none if the last search was too recent.
  mutating func search<Registrations: Sequence<Registration>>(
    _ registrations: @autoclosure () -> Registrations
  ) -> [Registration] {
    guard interval.isDue() else { return [] }
    return registrations().filter { $0.isArmed && !Kernel.isOpen($0.descriptor) }
  }
}
