internal import Multiplex
internal import SystemPackage

/// I/O by readiness, on any backend of a `Poller`: a call is tried first, and waited for only if it would block.
///
/// With edge triggering, a descriptor is registered once for input, and once more for room when that is first waited
/// for; messages need no further calls. Without it, a registration is armed for one event when something waits.
final class ReadinessDriver: Driver {
  private let poller: Poller
  private let mode: TriggerMode
  /// Whether descriptors have to be armed for each event: see ``arm(_:for:)``.
  let armsEachWait: Bool
  let pool = BufferPool()
  let sparePipe = SpareSplicePipe()
  private let observation: TurnObservation?
  /// The handler of each descriptor.
  @safe @exclusivity(unchecked) private var handlers: ContiguousArray<(any ReadinessHandler)?> = []
  /// Channels that have used up their share of a turn, though there was more to read.
  @safe @exclusivity(unchecked) private var unfinished: [ReadinessChannel] = []
  /// What the last wait has found.
  @safe @exclusivity(unchecked) private var events: Poller.Events?
  /// Counts the turns: channels have a share in each.
  @safe @exclusivity(unchecked) private(set) var turnNumber: UInt64 = 0

  init(backend: Poller.Backend, observation: TurnObservation?) throws(MultiplexError) {
    self.observation = observation
    poller = try Poller(backend: backend)
    armsEachWait = backend.emulatedModes.contains(.edge)
    mode = armsEachWait ? .oneShot : .edge
  }

  var waker: Waker { poller.waker }

  func wait(for limit: Duration?) throws(MultiplexError) {
    turnNumber &+= 1
    events = try poller.wait(timeout: unfinished.isEmpty ? limit : .zero)
  }

  func handleEvents() -> Bool {
    guard let events = events.take() else { return false }
    for event in events {
      observation?.ready(event.descriptor, for: event.readiness)
      handlers[Int(event.descriptor.rawValue)]?.handle(event.readiness)
    }
    resumeUnfinished()
    return events.wasWoken
  }

  var waitsBehind: Int {
    // There is a handler for each descriptor.
    poller.reportLimit.map { handlers.count / $0 + 1 } ?? 0
  }

  func makeChannel(_ descriptor: consuming OwnedDescriptor, isUnix: Bool) throws(MultiplexError) -> any Channel {
    endWaits(for: descriptor.fileDescriptor.rawValue)
    let channel = ReadinessChannel(descriptor.fileDescriptor, driver: self, isUnix: isUnix)
    // Out-of-band data causes an event too, as a receive ends before it: see ``EdgeTriggeredInput``. Room
    // doesn't, initially: most connections always have some, and it would be an additional event.
    try poller.register(owning: descriptor, for: .read | .priority, mode: mode)
    setHandler(channel, of: channel.rawDescriptor)
    return channel
  }

  func makeAcceptor(_ descriptor: consuming OwnedDescriptor) throws(MultiplexError) -> any Acceptor {
    endWaits(for: descriptor.fileDescriptor.rawValue)
    return try ReadinessAcceptor(descriptor, driver: self)
  }

  func awaitReadiness(
    of fd: Int32, for interest: Interest, _ body: @escaping (Readiness) -> Void
  ) throws(MultiplexError) -> ReadinessWait {
    if let waits = handler(of: fd) as? DescriptorWaits {
      do {
        return try waits.add(interest, body)
      } catch let error where error.reason == .notOpen && Kernel.isOpen(fd) {
        // The file of earlier waits was closed, and the number belongs to another one.
      }
    }
    return try DescriptorWaits(descriptor: fd, driver: self).add(interest, body)
  }

  func endWaitsOfClosed() {
    for case let waits as DescriptorWaits in handlers { waits.endIfClosed() }
  }

  /// Watches a borrowed descriptor.
  func register(
    _ fd: Int32, for interest: Interest, mode: TriggerMode, notifying handler: any ReadinessHandler
  ) throws(MultiplexError) {
    try poller.register(FileDescriptor(rawValue: fd), for: interest, mode: mode)
    setHandler(handler, of: fd)
  }

  /// Waits for one event of a registered descriptor.
  func arm(_ fd: Int32, for interest: Interest) throws(MultiplexError) {
    try poller.rearm(FileDescriptor(rawValue: fd), for: interest)
  }

  /// Adds room to send to the events of a channel's descriptor; there may be some already.
  func watchRoom(of fd: Int32) throws(MultiplexError) {
    try poller.modify(FileDescriptor(rawValue: fd), for: .read | .priority | .write)
  }

  /// Ends waits for a number whose descriptor is handed over.
  private func endWaits(for fd: Int32) {
    (handler(of: fd) as? DescriptorWaits)?.giveUp()
  }

  /// Unregisters a descriptor, and closes it if the poller owns it.
  func unregister(_ fd: Int32) {
    handlers[Int(fd)] = nil
    // Fails only if a failed `rearm` has unregistered it before.
    try? poller.unregister(unshared: FileDescriptor(rawValue: fd))
  }

  /// Unregisters an owned descriptor that was closed elsewhere: its number isn't ours to close.
  func disown(_ fd: Int32) {
    handlers[Int(fd)] = nil
    // Fails only if a failed `rearm` has unregistered it before.
    try? poller.unregister(closed: FileDescriptor(rawValue: fd))
  }

  /// Continues reading in the next turn.
  func postpone(_ channel: ReadinessChannel) {
    unfinished.append(channel)
  }

  private func resumeUnfinished() {
    guard !unfinished.isEmpty else { return }
    let channels = unfinished
    unfinished.removeAll(keepingCapacity: true)
    for channel in channels { channel.resume() }
  }

  /// Releases the channels, which retain their driver.
  func finish() {
    handlers = []
    unfinished = []
  }

  private func handler(of fd: Int32) -> (any ReadinessHandler)? {
    fd >= 0 && Int(fd) < handlers.count ? handlers[Int(fd)] : nil
  }

  private func setHandler(_ handler: any ReadinessHandler, of fd: Int32) {
    handlers.grow(toHold: Int(fd), filledWith: nil)
    handlers[Int(fd)] = handler
  }
}
