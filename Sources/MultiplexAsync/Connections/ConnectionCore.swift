internal import Multiplex
internal import SystemPackage

/// A connection's state on its reactor's thread: a channel, the bytes that wait to be sent, and the tasks that wait.
@safe
final class ConnectionCore {
  /// The result of a read.
  @safe
  enum ReadOutcome: Sendable {
    /// Whoever takes the buffer owns it; it must be taken only once.
    case bytes(PooledBuffer, count: Int)
    case endOfInput
    case refused(ConnectionError.Reason)
  }

  /// The result of a read into the caller's memory.
  enum FillOutcome {
    case filled(Int)
    case endOfInput
    case refused(ConnectionError.Reason)
  }

  /// What a task waits for after writing.
  enum OutputGoal: Sendable {
    /// The queue has fallen to the low watermark.
    case room
    /// Everything has been sent.
    case flush
  }

  // What each message touches comes first, in few cache lines: with many connections, none of them is in the cache. The
  // order leaves few gaps, as each connection has one of these.
  let channel: any Channel
  let driver: any Driver
  let gathering: GatheringConnections
  var monitor: ConnectionMonitor?
  /// Takes all input, in place of reading tasks.
  @safe @exclusivity(unchecked) var pump: Pump?
  /// Bytes that were received but not consumed; they come before the channel's.
  @safe @exclusivity(unchecked) var lookahead = ByteQueue()
  @safe @exclusivity(unchecked) var output = ByteQueue()
  /// Why nothing can be sent any more.
  @safe @exclusivity(unchecked) var outputFailure: ConnectionError.Reason?
  @safe @exclusivity(unchecked) var outputEnds = false
  @safe @exclusivity(unchecked) var share = TaskShare()
  /// Whether it waits for room to send the queue.
  @safe @exclusivity(unchecked) var isFlushing = false
  /// Whether it sends the queue when the turn ends.
  @safe @exclusivity(unchecked) var isGathering = false
  /// The turn of the last write that found the queue empty, as ``GatheringConnections`` counts them.
  @safe @exclusivity(unchecked) var lastWriteTurn: UInt32 = 0
  /// Whether the task that serves the connection was cancelled. It stays true, as this may be reported before the task
  /// has begun, or while it decides to wait.
  @safe @exclusivity(unchecked) private var isServiceCancelled = false
  /// What reads and writes fail with once the connection is closed; nil until then.
  @safe @exclusivity(unchecked) var closedReason: ConnectionError.Reason?
  @safe @exclusivity(unchecked) var watermarks = Watermarks()
  /// The task that waits for input; without a waiter if it waits in place.
  @safe @exclusivity(unchecked) var reader: (id: WaitID, waiter: Waiter<ConnectionError.Reason?>?)?
  /// The task that serves the connection.
  @safe @exclusivity(unchecked) private var owner: CallingTask?

  @safe @exclusivity(unchecked) private var waitIDs = WaitIDs()
  @safe @exclusivity(unchecked) var roomWaiters = WaiterList<ConnectionError.Reason?>()
  @safe @exclusivity(unchecked) var flushWaiters = WaiterList<ConnectionError.Reason?>()
  /// The error that broke the connection: see ``outcome(of:)``.
  @safe @exclusivity(unchecked) var breakage: Errno?
  /// How many bytes could no longer be sent.
  var lostCount = 0
  /// Why it was closed, as reported to others; nil until then.
  var closeReason: CloseReason?

  var isClosed: Bool { closedReason != nil }

  init(
    _ channel: any Channel, driver: any Driver, gathering: GatheringConnections, observation: ConnectionObservation?
  ) {
    self.channel = channel
    self.driver = driver
    self.gathering = gathering
    monitor = observation.map { ConnectionMonitor($0) }
    channel.delegate = self
  }

  /// The descriptor, for options and addresses; nil once it is closed.
  var openDescriptor: Int32? { isClosed ? nil : channel.rawDescriptor }
}

// MARK: - Waits

extension ConnectionCore {
  /// Names the next wait of the calling task.
  func makeWaitID() -> WaitID {
    if let owner, CallingTask.current == owner { return .owner }
    return waitIDs.next()
  }

  /// Whether the calling task, whose wait this is, was cancelled.
  func isCancelled(_ id: WaitID) -> Bool {
    isServiceCancelled(id) || CallingTask.current?.isCancelled ?? false
  }

  /// Whether this is a wait of the task that serves the connection, and that task was cancelled.
  func isServiceCancelled(_ id: WaitID) -> Bool { id == .owner && isServiceCancelled }

  /// Makes the calling task the one that serves the connection.
  func beginService() {
    owner = .current
  }

  func endService() {
    owner = nil
  }

  /// The task that serves the connection, or is going to, was cancelled.
  func serviceWasCancelled() {
    isServiceCancelled = true
    cancelRead(.owner)
    cancelWrite(.owner)
  }
}

// MARK: - The channel

/// The channel's events end waits.
extension ConnectionCore: ChannelDelegate {
  func channelHasInput() {
    endRead(nil)
  }

  func channelHasRoom() {
    isFlushing = false
    flush()
  }

  func channelHasSent() {
    monitor?.noteActivity()
  }
}
