internal import CMultiplex
internal import SystemPackage

extension Poller.Backend {
  /// Linux's epoll: a wait costs time in proportion to what is ready, however many descriptors there are.
  public static let epoll = Self(
    name: "epoll", emulatedModes: [], summary: "cost grows with the ready descriptors",
    implementation: EpollBackend.self)
}

/// Readiness from epoll. The kernel has all three modes; this class sees to what goes wrong when descriptors are
/// closed while they are registered.
final class EpollBackend: ReadinessBackend {
  /// More than are ready at once in most turns; what is left over comes first in the next.
  private static let batch = 1024

  /// Of so many waits one has the lent descriptors that it finds looked at more closely: see `look`.
  private static let checkInterval: UInt = 64

  /// Bounds the registrations of a user in all epoll instances together.
  static var descriptorLimit: Int? { SystemSetting.integer("fs/epoll/max_user_watches") }

  private let epoll: Epoll
  /// The one mode whose registrations are kept here; nil for all.
  private let mode: TriggerMode?
  private var closed = ClosedDescriptors()
  /// How often the kernel was asked.
  @safe @exclusivity(unchecked) private var looks: UInt = 0
  /// Whether the kernel may hold a file that a registration isn't of any more: see `modify` and `handOver`.
  private var isAmbiguous = false
  /// Registrations that the kernel doesn't hold: silent, or not to be added, when the set was built anew.
  /// Looked at for each registration that goes, hence without the runtime's check for overlapping accesses: nothing is called
  /// back meanwhile.
  @safe @exclusivity(unchecked) private var leftOut: Set<RegistrationKey> = []
  /// What the kernel was short of when it couldn't add some of those. They are tried again with the next wait.
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
    do {
      try control(EPOLL_CTL_ADD, registration)
    } catch let error where error.errno == .fileExists {
      // The number was registered, closed behind our back, and is the same file again.
      try control(EPOLL_CTL_MOD, registration)
    }
  }

  func modify(_ registration: Registration, replacing previous: Registration) throws(MultiplexError) {
    if !leftOut.isEmpty, leftOut.contains(registration.key) {
      try addAnew(registration)
      leftOut.remove(registration.key)
      return
    }
    do {
      try control(EPOLL_CTL_MOD, registration)
    } catch let error where error.errno == .noSuchFileOrDirectory || error.reason == .notPollable {
      // The number was closed behind our back, and is another file by now. The kernel may know the old one by the same
      // key, if a duplicate of it lives; one that has had its one-shot event stays silent.
      try addAnew(registration)
      if !previous.hasFired { isAmbiguous = true }
    }
  }

  /// Adds a registration whose file was added before.
  private func addAnew(_ registration: Registration) throws(MultiplexError) {
    do {
      try add(registration)
    } catch let error where error.reason == .notPollable {
      throw .replaced(error)
    }
  }

  /// The kernel forgets the registration by itself. If a duplicate keeps the file open, a wait will find it stale.
  func removeClosing(_ registration: Registration) {
    if !leftOut.isEmpty { leftOut.remove(registration.key) }
  }

  func remove(_ registration: Registration) {
    removeClosing(registration)
    // Fails where the descriptor was closed: the kernel has forgotten it then, or a wait will find it stale.
    try? epoll.control(EPOLL_CTL_DEL, registration.descriptor, [], 0)
  }

  /// Removes a registration that goes on elsewhere, under the same key.
  func handOver(_ registration: Registration) {
    guard leftOut.remove(registration.key) == nil else { return }
    do {
      try epoll.control(EPOLL_CTL_DEL, registration.descriptor, [], 0)
    } catch {
      // The number is another file by now, as it is for `modify`. What the kernel tells of the old one has the same key.
      isAmbiguous = true
    }
  }

  func wait(timeout: Duration?, registry: inout Registry) throws(MultiplexError) {
    if isAmbiguous { try rebuild(registry) }
    if !leftOut.isEmpty, let shortage = retry(registry) {
      guard try look(timeout: .zero, &registry) > 0 else { throw shortage }
      return
    }
    let count = try look(timeout: timeout, &registry)
    if count == 0, timeout != .zero { sweep(&registry) }
  }

  /// - Returns: How many events there were, also such as nobody is told of.
  private func look(timeout: Duration?, _ registry: inout Registry) throws(MultiplexError) -> Int {
    let count: Int
    do {
      count = try epoll.wait(timeout: timeout, atMost: Self.batch)
    } catch {
      throw MultiplexError(call: "epoll_wait", descriptor: epoll.fileDescriptor, errno: error)
    }
    // A descriptor that was closed is reported for as long as a duplicate is ready, and no wait finds nothing meanwhile.
    looks &+= 1
    let isCheck = looks.isMultiple(of: Self.checkInterval)
    var foundStale = false
    epoll.forEachEvent(count) { event in
      let key = RegistrationKey(packed: event.data)
      let isClosed = isCheck && registry.isLent(key) && !Kernel.isOpen(key.descriptor)
      let verdict = registry.report(key, isClosed ? .invalid : Readiness(event.events))
      foundStale = foundStale || verdict == .stale
    }
    if foundStale { try rebuild(registry) }
    return count
  }

  private func control(_ operation: Int32, _ registration: Registration) throws(MultiplexError) {
    let events = EpollEvents(registration.interest, registration.mode)
    do {
      try epoll.control(operation, registration.descriptor, events, registration.key.packed)
    } catch {
      let descriptor = FileDescriptor(rawValue: registration.descriptor)
      throw MultiplexError(call: "epoll_ctl", descriptor: descriptor, errno: error)
    }
  }

  /// Starts over with an empty set. The kernel reports a registration that was removed: its descriptor was closed
  /// before, while a duplicate of it lives on, so that nothing can take it out of the set any more.
  /// Edges of descriptors that are still ready come once more.
  private func rebuild(_ registry: Registry) throws(MultiplexError) {
    try epoll.startOver()
    isAmbiguous = false
    leftOut = []
    for registration in own(registry) where !isAdded(registration) { leftOut.insert(registration.key) }
  }

  /// Adds what there was no room for, if there is now.
  ///
  /// - Returns: What the kernel is still short of.
  func retry(_ registry: Registry) -> MultiplexError? {
    guard shortage != nil else { return nil }
    shortage = nil
    leftOut = leftOut.filter { key in registry[key].map { !isAdded($0) } ?? false }
    return shortage
  }

  /// Adds a registration to a set that doesn't hold it, unless that would arm a silent one.
  private func isAdded(_ registration: Registration) -> Bool {
    guard registration.isArmed else { return false }
    do {
      try add(registration)
      return true
    } catch {
      // Those that were closed are left to the sweep.
      if error.errno == .noMemory || error.errno == .noSpace { shortage = error }
      return false
    }
  }

  /// Reports descriptors that were closed while they were registered: the kernel doesn't tell.
  func sweep(_ registry: inout Registry) {
    for registration in closed.search(own(registry)) { _ = registry.report(registration.key, .invalid) }
  }

  /// The registrations that this instance is to report.
  private func own(_ registry: Registry) -> [Registration] {
    registry.registrations.filter { mode == nil || mode == $0.mode }
  }
}
