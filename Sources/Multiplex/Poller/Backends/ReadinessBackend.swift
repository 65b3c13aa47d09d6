internal import SystemPackage

/// What a poller asks of the kernel, as one of its system calls can do it.
///
/// The contract. A poller has checked what can be checked without the kernel: the poller is open, the descriptor is not
/// negative, `add` gets descriptors that aren't registered, the others such as are. A backend
/// - throws from `add`, `modify` and `rearm` where the descriptor isn't open (``MultiplexError/Reason/notOpen``), can't be
///   waited for, or the kernel is short of something, and has then changed nothing: what it watched before, it still does;
/// - never fails to `remove`, be the descriptor closed or another file by now;
/// - waits once: until something is ready, the time is up, or a signal interrupts it (`EINTR`, thrown);
/// - reports what it finds to the registry, each descriptor at most once a wait, with all it is ready for, errors and
///   hang-ups included, and heeds the verdict;
/// - gives each ``TriggerMode`` the one meaning that is written there.
///
/// A poller calls one of these at a time, and none of them calls back. So a backend's own variables can do without the
/// runtime's checks for overlapping accesses, `@exclusivity(unchecked)`, which cost more than the rest of a wait.
protocol ReadinessBackend: AnyObject, SendableMetatype {
  /// The kernel's limit to the number of descriptors, besides that of open files; nil if there is none.
  static var descriptorLimit: Int? { get }

  /// Prepares to wait.
  init() throws(MultiplexError)

  func add(_ registration: Registration) throws(MultiplexError)

  func modify(_ registration: Registration, replacing previous: Registration) throws(MultiplexError)

  /// Modifies a registration to one-shot mode, whose descriptor is known to be open if it was handed over.
  func rearm(_ registration: Registration, replacing previous: Registration) throws(MultiplexError)

  func remove(_ registration: Registration)

  /// Removes a registration whose descriptor is closed right after.
  func removeClosing(_ registration: Registration)

  /// - Parameter timeout: nil waits without limit; never negative.
  func wait(timeout: Duration?, registry: inout Registry) throws(MultiplexError)
}

extension ReadinessBackend {
  /// For calls that take any number and complain about it later, or never.
  func checkOpen(_ registration: Registration) throws(MultiplexError) {
    guard !Kernel.isOpen(registration.descriptor) else { return }
    throw notOpen(registration)
  }

  func notOpen(_ registration: Registration) -> MultiplexError {
    MultiplexError(
      call: "fcntl", descriptor: FileDescriptor(rawValue: registration.descriptor), errno: .badFileDescriptor)
  }

  func rearm(_ registration: Registration, replacing previous: Registration) throws(MultiplexError) {
    try modify(registration, replacing: previous)
  }

  func removeClosing(_ registration: Registration) {
    remove(registration)
  }

  static var descriptorLimit: Int? { nil }
}
