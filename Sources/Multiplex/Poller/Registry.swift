/// The registrations of a poller by descriptor, and what a wait found ready among them.
///
/// Backends report to it, and it keeps to the rules that are the same for all of them: what the interest doesn't ask for
/// isn't reported, nor is what was unregistered meanwhile, and a one-shot registration is reported once.
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
  struct Finding {
    let key: RegistrationKey
    let readiness: Readiness
  }

  /// Indexed by descriptor: numbers are small, as the kernel gives the lowest that is free.
  private var slots: ContiguousArray<Registration?> = []
  /// The last generation of each number that was registered before, also indexed by descriptor.
  private var generations: ContiguousArray<UInt32> = []
  private(set) var count = 0

  private(set) var findings: ContiguousArray<Finding> = []
  /// The descriptor whose events mean that the poller was woken.
  var waker: Int32 = -1
  private(set) var wasWoken = false

  subscript(fd: Int32) -> Registration? {
    fd >= 0 && Int(fd) < slots.count ? slots[Int(fd)] : nil
  }

  subscript(key: RegistrationKey) -> Registration? {
    guard let registration = self[key.descriptor], registration.key.generation == key.generation else { return nil }
    return registration
  }

  /// All registrations, in the order of their descriptors.
  var registrations: some Sequence<Registration> {
    slots.lazy.compactMap(\.self)
  }

  /// The next registration of a number; it counts from its insertion on.
  ///
  /// - Parameter fd: Not negative, and not registered.
  func makeRegistration(
    of fd: Int32, interest: Interest, mode: TriggerMode, token: UInt64, isOwned: Bool
  ) -> Registration {
    let last = Int(fd) < generations.count ? generations[Int(fd)] : 0
    return Registration(
      key: RegistrationKey(descriptor: fd, generation: last &+ 1), interest: interest, mode: mode, token: token,
      isOwned: isOwned)
  }

  /// - Parameter registration: Of an open descriptor: the table is as long as the highest number in it.
  mutating func insert(_ registration: Registration) {
    let index = Int(registration.descriptor)
    if index >= slots.count {
      let growth = max(index + 1 - slots.count, slots.count)
      slots.append(contentsOf: repeatElement(nil, count: growth))
      generations.append(contentsOf: repeatElement(0, count: growth))
    }
    generations[index] = registration.key.generation
    slots[index] = registration
    count += 1
  }

  /// Replaces a registration of the same descriptor.
  mutating func update(_ registration: Registration) {
    slots[Int(registration.descriptor)] = registration
  }

  mutating func remove(_ fd: Int32) {
    guard self[fd] != nil else { return }
    slots[Int(fd)] = nil
    count -= 1
  }
}

// MARK: - Findings

extension Registry {
  /// Forgets what the last wait found.
  mutating func beginTurn() {
    findings.removeAll(keepingCapacity: true)
    wasWoken = false
  }

  /// Takes what a backend found, whose kernel knows the registration by its key.
  mutating func report(_ key: RegistrationKey, _ readiness: Readiness) -> Verdict {
    guard let registration = self[key] else { return .stale }
    return report(registration, readiness)
  }

  /// Takes what a backend found, whose kernel knows nothing but the descriptor.
  mutating func report(_ fd: Int32, _ readiness: Readiness) -> Verdict {
    guard let registration = self[fd] else { return .stale }
    return report(registration, readiness)
  }

  private mutating func report(_ registration: Registration, _ readiness: Readiness) -> Verdict {
    guard registration.descriptor != waker else {
      wasWoken = true
      return .watchOn
    }
    // The file lives on in a duplicate of a descriptor that was found closed.
    guard registration.isArmed else { return .stale }
    let wanted = readiness.intersection(Readiness(of: registration.interest))
    guard !wanted.isEmpty else { return .watchOn }
    findings.append(Finding(key: registration.key, readiness: wanted))
    guard registration.mode == .oneShot || wanted.contains(.invalid) else { return .watchOn }
    slots[Int(registration.descriptor)]?.isArmed = false
    return .silence
  }
}
