internal import CMultiplex
internal import SystemPackage

extension Poller.Backend {
  /// Linux's epoll: the cost of a wait grows with the number of ready descriptors, however many are registered.
  public static let epoll = Self(
    name: "epoll", emulatedModes: [], summary: "cost grows with the ready descriptors",
    implementation: EpollBackend.self)
}

/// Readiness from epoll. The kernel has all three modes; this class handles what goes wrong when descriptors are closed
/// while they are registered.
final class EpollBackend: ReadinessBackend {
  /// More than are ready at once in most turns; the others come first in the next.
  private static let batch = 1024

  /// One in this many waits checks whether the borrowed descriptors that it finds are still open: see `look`.
  private static let checkInterval: UInt = 64

  /// Limits a user's registrations in all epoll instances together.
  static var descriptorLimit: Int? { SystemSetting.integer("fs/epoll/max_user_watches") }

  private let epoll: Epoll
  /// The only mode whose registrations are kept here; nil for all modes.
  private let mode: TriggerMode?
  private var closed = ClosedDescriptors()
  /// How often the kernel was called.
  @safe @exclusivity(unchecked) private var looks: UInt = 0
  /// Registrations for which the kernel may hold a file that no longer belongs to them, too: see `modify` and
  /// `handOver`. A wait begins by rebuilding the set.
  private var ambiguous: Set<RegistrationKey> = []
  /// Registrations that the kernel doesn't hold: they were silent, or couldn't be added, when the set was rebuilt.
  /// Checked whenever a registration is removed, hence without the runtime's check for overlapping accesses: nothing is
  /// called back meanwhile.
  @safe @exclusivity(unchecked) private var leftOut: Set<RegistrationKey> = []
  /// Why the kernel couldn't add some of those. They are retried in the next wait.
  private var shortage: MultiplexError?

  convenience init() throws(MultiplexError) {
    try self.init(only: nil)
  }

  init(only mode: TriggerMode?) throws(MultiplexError) {
    epoll = try Epoll()
    self.mode = mode
  }

  /// Readable when a wait would find something.
  var fileDescriptor: FileDescriptor { epoll.fileDescriptor }

  func add(_ registration: Registration) throws(MultiplexError) {
    // A number that was closed may be this instance's own by now: the kernel would refuse it as invalid.
    guard registration.descriptor != fileDescriptor.rawValue else { throw notOpen(registration) }
    do {
      try control(EPOLL_CTL_ADD, registration)
    } catch let error where error.errno == .fileExists {
      // The number was registered, closed without our knowledge, and refers to the same file again.
      try control(EPOLL_CTL_MOD, registration)
    }
  }

  func modify(_ registration: Registration, replacing previous: Registration) throws(MultiplexError) {
    if !leftOut.isEmpty, leftOut.contains(registration.key) {
      try addAgain(registration)
      leftOut.remove(registration.key)
      return
    }
    do {
      try control(EPOLL_CTL_MOD, registration)
    } catch let error where error.errno == .noSuchFileOrDirectory || error.reason == .notPollable {
      // The number was closed without our knowledge, and refers to another file by now. If a duplicate of the old file
      // is open, the kernel may hold it under the same key; one that has had its one-shot event stays silent.
      try addAgain(registration)
      if previous.state != .fired { ambiguous.insert(registration.key) }
    }
  }

  /// Adds a registration whose file was added before.
  private func addAgain(_ registration: Registration) throws(MultiplexError) {
    do {
      try add(registration)
    } catch let error where error.reason == .notPollable {
      throw .replaced(error)
    }
  }

  /// The kernel removes the registration by itself. If a duplicate keeps the file open, a wait will find it stale.
  func removeClosing(_ registration: Registration) {
    if !leftOut.isEmpty { leftOut.remove(registration.key) }
  }

  func remove(_ registration: Registration) {
    removeClosing(registration)
    // Fails if the descriptor was closed: then the kernel has removed it, or a wait will find it stale.
    try? epoll.control(EPOLL_CTL_DEL, registration.descriptor, [], 0)
  }

  /// Removes a registration that continues elsewhere, under the same key.
  func handOver(_ registration: Registration) {
    guard leftOut.remove(registration.key) == nil else { return }
    do {
      try epoll.control(EPOLL_CTL_DEL, registration.descriptor, [], 0)
    } catch {
      // The number refers to another file by now, as in `modify`. Events of the old one have the same key.
      ambiguous.insert(registration.key)
    }
  }

  func wait(timeout: Duration?, registry: inout Registry) throws(MultiplexError) {
    let shortage = repair(registry)
    let timeout = shortage == nil ? timeout : .zero
    let count = try look(timeout: timeout, &registry)
    if count == 0, timeout != .zero { sweep(&registry) }
    // Others are reported meanwhile.
    if let shortage, !registry.hasFound { throw shortage }
  }

  /// Makes the kernel hold what it should, if it doesn't.
  ///
  /// - Returns: What the kernel is short of; nil if it holds everything.
  private func repair(_ registry: Registry) -> MultiplexError? {
    do {
      if !ambiguous.isEmpty { try rebuild(registry) }
    } catch {
      // There is no descriptor for another set.
      return error
    }
    return leftOut.isEmpty ? nil : retry(registry)
  }

  /// - Returns: How many events there were, including those that aren't reported.
  private func look(timeout: Duration?, _ registry: inout Registry) throws(MultiplexError) -> Int {
    let count = try calling("epoll_wait", on: epoll.fileDescriptor, epoll.wait(timeout: timeout, atMost: Self.batch))
    if count == Self.batch { registry.reportLimit = Self.batch }
    // A closed descriptor is reported as long as a duplicate is ready: then no wait is empty, and none sweeps.
    looks &+= 1
    let isCheck = looks.isMultiple(of: Self.checkInterval)
    var foundStale = false
    epoll.forEachEvent(count) { event in
      let key = RegistrationKey(packed: event.data)
      guard ambiguous.isEmpty || !ambiguous.contains(key) else { return }
      let isClosed = isCheck && registry.isBorrowed(key) && !Kernel.isOpen(key.descriptor)
      let verdict = registry.report(key, isClosed ? .invalid : Readiness(event.events))
      foundStale = foundStale || verdict == .stale
    }
    if foundStale { try rebuild(registry) }
    return count
  }

  private func control(_ operation: Int32, _ registration: Registration) throws(MultiplexError) {
    let events = EpollEvents(registration.interest, registration.mode)
    try calling(
      "epoll_ctl", on: FileDescriptor(rawValue: registration.descriptor),
      epoll.control(operation, registration.descriptor, events, registration.key.packed))
  }

  /// Starts over with a new set. The kernel reports a registration that was removed: its descriptor was closed before,
  /// but a duplicate is still open, so it can no longer be removed from the set.
  /// Edges of descriptors that are still ready are reported once more.
  private func rebuild(_ registry: Registry) throws(MultiplexError) {
    try epoll.startOver()
    ambiguous = []
    leftOut = []
    for registration in registry.registrations where isOwn(registration) && !isAdded(registration) {
      leftOut.insert(registration.key)
    }
  }

  /// Adds the registrations that there was no room for.
  ///
  /// - Returns: The error if there is still no room.
  func retry(_ registry: Registry) -> MultiplexError? {
    guard shortage != nil else { return nil }
    shortage = nil
    leftOut = leftOut.filter { key in registry[key].map { !isAdded($0) } ?? false }
    return shortage
  }

  /// Adds a registration to a set that doesn't hold it, unless it is silent.
  ///
  /// - Returns: Whether it was added.
  private func isAdded(_ registration: Registration) -> Bool {
    guard registration.state == .armed else { return false }
    do {
      try add(registration)
      return true
    } catch {
      // The sweep finds those that were closed.
      if error.errno == .noMemory || error.errno == .noSpace { shortage = error }
      return false
    }
  }

  /// Reports descriptors that were closed while they were registered, which the kernel doesn't.
  func sweep(_ registry: inout Registry) {
    for registration in closed.search(registry, where: isOwn) { _ = registry.report(registration.key, .invalid) }
  }

  /// Whether a registration is one of those that this instance reports.
  private func isOwn(_ registration: Registration) -> Bool { mode == nil || mode == registration.mode }
}
