internal import SystemPackage

/// The registrations of a poller by descriptor, and what a wait found ready among them.
///
/// Backends report to it, and it keeps to the rules that are the same for all of them: what the interest doesn't ask for
/// isn't reported, nor is what was unregistered meanwhile, and a one-shot registration is reported once.
@usableFromInline
struct Registry {
  /// What a backend is to do about a registration that it has reported.
  enum Verdict {
    /// Nothing.
    case watchOn
    /// Not to report it again before it is modified.
    case silence
    /// There is no such registration any more, or it is silent: the kernel isn't to watch it.
    case stale
  }

  /// What was found, before it is visited.
  @usableFromInline
  struct Finding {
    @usableFromInline let event: Poller.Event
    /// Of the registration: see ``RegistrationKey``.
    let generation: UInt32

    var key: RegistrationKey { RegistrationKey(descriptor: event.descriptor.rawValue, generation: generation) }
  }

  private var table = DescriptorTable<Registration>()
  /// The last generation of each number that was registered before.
  private var generations = DescriptorTable<UInt32>()

  @usableFromInline private(set) var findings: ContiguousArray<Finding> = []
  /// The descriptor whose events mean that the poller was woken.
  var waker: Int32 = noDescriptor
  private(set) var wasWoken = false

  /// How many registrations there are.
  var count: Int { table.count }

  subscript(fd: Int32) -> Registration? { table[fd] }

  subscript(key: RegistrationKey) -> Registration? {
    guard let registration = self[key.descriptor], registration.key.generation == key.generation else { return nil }
    return registration
  }

  /// Whether it is a registration of a descriptor that others may close.
  func isLent(_ key: RegistrationKey) -> Bool { self[key]?.isOwned == false }

  /// All registrations, in the order of their descriptors.
  var registrations: some Sequence<Registration> { table.values }

  /// The next registration of a number; it counts from its insertion on.
  ///
  /// - Parameter fd: Not negative, and not registered.
  func makeRegistration(
    of fd: Int32, interest: Interest, mode: TriggerMode, token: UInt64, isOwned: Bool
  ) -> Registration {
    let last = generations[fd] ?? 0
    return Registration(
      key: RegistrationKey(descriptor: fd, generation: last &+ 1), token: token, interest: interest, mode: mode,
      isOwned: isOwned)
  }

  /// - Parameter registration: Of an open descriptor: the table is as long as the highest number in it.
  mutating func insert(_ registration: Registration) {
    generations[registration.descriptor] = registration.key.generation
    table[registration.descriptor] = registration
  }

  /// Replaces a registration of the same descriptor.
  mutating func update(_ registration: Registration) {
    table[registration.descriptor] = registration
  }

  mutating func remove(_ fd: Int32) {
    table[fd] = nil
  }
}

// MARK: - Findings

/// What is done for each event is inlined: a call would save and restore more than it does.
extension Registry {
  /// Whether the wait is over.
  var hasFound: Bool { wasWoken || !findings.isEmpty }

  /// Forgets what the last wait found.
  mutating func beginTurn() {
    findings.removeAll(keepingCapacity: true)
    wasWoken = false
  }

  /// Takes what a backend found, whose kernel knows the registration by its key.
  @inline(__always)
  mutating func report(_ key: RegistrationKey, _ readiness: Readiness) -> Verdict {
    guard let registration = self[key] else { return .stale }
    return report(registration, readiness)
  }

  /// Takes what a backend found, whose kernel knows nothing but the descriptor.
  @inline(__always)
  mutating func report(_ fd: Int32, _ readiness: Readiness) -> Verdict {
    guard let registration = self[fd] else { return .stale }
    return report(registration, readiness)
  }

  @inline(__always)
  private mutating func report(_ registration: Registration, _ readiness: Readiness) -> Verdict {
    guard registration.descriptor != waker else {
      wasWoken = true
      return .watchOn
    }
    // The file lives on in a duplicate of a descriptor that was found closed.
    guard registration.isArmed else { return .stale }
    let wanted = readiness.intersection(Readiness(of: registration.interest))
    guard !wanted.isEmpty else { return .watchOn }
    let descriptor = FileDescriptor(rawValue: registration.descriptor)
    let event = Poller.Event(descriptor: descriptor, token: registration.token, readiness: wanted)
    findings.append(Finding(event: event, generation: registration.key.generation))
    guard registration.mode == .oneShot || wanted.contains(.invalid) else { return .watchOn }
    table[registration.descriptor]?.isArmed = false
    table[registration.descriptor]?.hasFired = !wanted.contains(.invalid)
    return .silence
  }
}
