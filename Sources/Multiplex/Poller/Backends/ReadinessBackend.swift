internal import SystemPackage

/// What a poller needs from the kernel, implemented with one of its system calls.
///
/// The contract: The poller has checked what can be checked without the kernel. The poller is open, the descriptor
/// isn't negative, `add` gets descriptors that aren't registered, and the other methods get those that are. A backend
/// - throws from `add`, `modify` and `rearm` if the descriptor isn't open (``MultiplexError/Reason/notOpen``) or can't
///   be waited for, or if the kernel lacks resources. It has then changed nothing, and watches what it watched before;
/// - never fails to `remove`, even if the descriptor was closed or its number reused;
/// - waits once: until something is ready, the time is up, or a signal interrupts it (`EINTR`, thrown);
/// - reports what it finds to the registry, and follows the verdict: each descriptor at most once per wait, with
///   everything that it is ready for, including errors and hang-ups;
/// - implements each ``TriggerMode`` as documented there.
///
/// A poller calls one of these methods at a time, and none of them calls back. So a backend's own variables can do
/// without the runtime's checks for overlapping accesses (`@exclusivity(unchecked)`), which cost more than the rest of
/// a wait.
protocol ReadinessBackend: AnyObject, SendableMetatype {
  /// The kernel's limit on the number of descriptors, in addition to the open-file limit; nil if there is none.
  static var descriptorLimit: Int? { get }

  /// Prepares to wait.
  init() throws(MultiplexError)

  func add(_ registration: Registration) throws(MultiplexError)

  func modify(_ registration: Registration, replacing previous: Registration) throws(MultiplexError)

  /// Changes a registration to one-shot mode. Its descriptor is known to be open if it was handed over.
  func rearm(_ registration: Registration, replacing previous: Registration) throws(MultiplexError)

  func remove(_ registration: Registration)

  /// Removes a registration whose descriptor is closed right after.
  func removeClosing(_ registration: Registration)

  /// - Parameter timeout: nil waits without limit; never negative.
  func wait(timeout: Duration?, registry: inout Registry) throws(MultiplexError)
}

extension ReadinessBackend {
  /// For calls that accept any number, and fail later or never.
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
