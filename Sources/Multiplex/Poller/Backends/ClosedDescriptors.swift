/// Looks for descriptors that were closed while they were registered, for kernels that don't tell.
///
/// Done by waits that found nothing, and not in each of them.
struct ClosedDescriptors {
  private var interval = SweepInterval()

  /// Those of the registrations that are armed, but not open any more; none if the last search was just done.
  mutating func search<Registrations: Sequence<Registration>>(
    _ registrations: @autoclosure () -> Registrations
  ) -> [Registration] {
    guard interval.isDue() else { return [] }
    return registrations().filter { $0.isArmed && !Kernel.isOpen($0.descriptor) }
  }
}
