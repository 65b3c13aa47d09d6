internal import SystemPackage

/// The registrations of a poller by descriptor, and those that a wait found ready.
///
/// Backends report to it, and it enforces the rules that all of them share: it ignores what isn't in the interest, and
/// what was unregistered meanwhile, and reports a one-shot registration once.
@usableFromInline
struct Registry {
  /// What a backend must do about a registration that it has reported.
  enum Verdict {
    /// Nothing: go on watching it.
    case watchOn
    /// Not report it again until it is modified.
    case silence
    /// Make the kernel stop watching it: the registration no longer exists, or is silent.
    case stale
  }

  /// An event that was found and hasn't been visited yet.
  @usableFromInline
  struct Finding {
    @usableFromInline let event: Poller.Event
    /// The registration's generation: see ``RegistrationKey``.
    let generation: UInt32

    var key: RegistrationKey { RegistrationKey(descriptor: event.descriptor.rawValue, generation: generation) }
  }

  private var table = DescriptorTable<Registration>()
  /// The last generation of each number that has been registered.
  private var generations = DescriptorTable<UInt32>()

  @usableFromInline private(set) var findings: ContiguousArray<Finding> = []
  /// The descriptor whose events mean that the poller has been woken.
  var waker: Int32 = noDescriptor
  private(set) var wasWoken = false
  /// How many descriptors the backend reports at a time, if it may have left some that are ready; nil if it hasn't.
  var reportLimit: Int?

  /// How many registrations there are.
  var count: Int { table.count }

  subscript(fd: Int32) -> Registration? { table[fd] }

  subscript(key: RegistrationKey) -> Registration? {
    guard let registration = self[key.descriptor], registration.key.generation == key.generation else { return nil }
    return registration
  }

  /// Whether it is a registration of a borrowed descriptor, which others may close.
  func isBorrowed(_ key: RegistrationKey) -> Bool { self[key]?.isOwned == false }

  /// All registrations, in the order of their descriptors.
  var registrations: some Sequence<Registration> { registrations(from: 0) }

  /// The registrations of a descriptor, and of all higher ones, in order.
  func registrations(from descriptor: Int32) -> some Sequence<Registration> { table.values(from: descriptor) }

  /// Makes the next registration of a number. It is in force once it is inserted.
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

  /// - Parameter registration: Of an open descriptor: the table grows to the highest number in it.
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

/// Everything done for each event is inlined: the overhead of a call would exceed the work.
extension Registry {
  /// Whether the wait is over.
  var hasFound: Bool { wasWoken || !findings.isEmpty }

  /// Forgets the findings of the last wait.
  mutating func beginTurn() {
    findings.removeAll(keepingCapacity: true)
    wasWoken = false
    reportLimit = nil
  }

  /// Takes a finding of a backend that identifies registrations by key.
  @inline(__always)
  mutating func report(_ key: RegistrationKey, _ readiness: Readiness) -> Verdict {
    guard let registration = self[key] else { return .stale }
    return report(registration, readiness)
  }

  /// Takes a finding of a backend that knows only the descriptor.
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
    // A duplicate keeps the file of a descriptor that was found closed open.
    guard registration.state == .armed else { return .stale }
    let wanted = readiness.intersection(Readiness(of: registration.interest))
    guard !wanted.isEmpty else { return .watchOn }
    let descriptor = FileDescriptor(rawValue: registration.descriptor)
    let event = Poller.Event(descriptor: descriptor, token: registration.token, readiness: wanted)
    findings.append(Finding(event: event, generation: registration.key.generation))
    guard registration.mode == .oneShot || wanted.contains(.invalid) else { return .watchOn }
    silence(registration, isClosed: wanted.contains(.invalid))
    return .silence
  }

  @inline(__always)
  private mutating func silence(_ registration: Registration, isClosed: Bool) {
    var silent = registration
    silent.state = isClosed ? .closed : .fired
    // Whoever closed it, its number may be another file's at any moment: that isn't ours to close.
    if isClosed { silent.isOwned = false }
    update(silent)
  }
}
