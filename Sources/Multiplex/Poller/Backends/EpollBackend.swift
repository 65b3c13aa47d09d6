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

  /// Bounds the registrations of a user in all epoll instances together.
  static var descriptorLimit: Int? { SystemSetting.integer("fs/epoll/max_user_watches") }

  private let epoll: Epoll
  /// The one mode whose registrations are kept here; nil for all.
  private let mode: TriggerMode?
  private var closed = ClosedDescriptors()
  /// Whether the kernel may hold two files for one registration: see `modify`.
  private var isAmbiguous = false
  /// Registrations that the kernel doesn't hold: silent, or not to be added, when the set was built anew.
  private var leftOut: Set<RegistrationKey> = []

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
    if !leftOut.isEmpty, leftOut.remove(registration.key) != nil {
      try add(registration)
      return
    }
    do {
      try control(EPOLL_CTL_MOD, registration)
    } catch let error where error.errno == .noSuchFileOrDirectory {
      // The number was closed behind our back, and is another file by now. The kernel may know the old one by the same
      // key, if a duplicate of it lives; one that has had its one-shot event stays silent.
      try control(EPOLL_CTL_ADD, registration)
      if !previous.hasFired { isAmbiguous = true }
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

  func wait(timeout: Duration?, registry: inout Registry) throws(MultiplexError) {
    if isAmbiguous { try rebuild(registry) }
    let count: Int
    do {
      count = try epoll.wait(timeout: timeout, atMost: Self.batch)
    } catch {
      throw MultiplexError(call: "epoll_wait", descriptor: epoll.fileDescriptor, errno: error)
    }
    var foundStale = false
    epoll.forEachEvent(count) { event in
      let verdict = registry.report(RegistrationKey(packed: event.data), Readiness(event.events))
      foundStale = foundStale || verdict == .stale
    }
    if foundStale { try rebuild(registry) }
    if count == 0, timeout != .zero { sweep(&registry) }
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
    for registration in own(registry) {
      // A silent one would be armed by adding it. Those that were closed are left to the sweep.
      if registration.isArmed, (try? add(registration)) != nil { continue }
      leftOut.insert(registration.key)
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

extension EpollEvents {
  package init(_ interest: Interest, _ mode: TriggerMode) {
    var events: EpollEvents =
      switch mode {
      case .level: []
      case .edge: .edgeTriggered
      case .oneShot: .oneShot
      }
    // The end of input matters only to those who read; to others it would be a level that never falls.
    if interest.contains(.read) { events.formUnion([.in, .readHangUp]) }
    if interest.contains(.write) { events.insert(.out) }
    if interest.contains(.priority) { events.insert(.priority) }
    self = events
  }
}

extension Readiness {
  init(_ events: EpollEvents) {
    self.init(kernelBits: events.rawValue)
  }
}
