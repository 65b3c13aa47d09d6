internal import Multiplex
internal import SystemPackage

/// What a connection is on its reactor's thread: a channel, the bytes that wait to be sent, and the tasks that wait.
@safe
final class Stream {
  /// What a read has come to.
  @safe
  enum ReadOutcome: Sendable {
    /// The buffer belongs to whoever takes it, once.
    case bytes(PooledBuffer, count: Int)
    case endOfInput
    case refused(ConnectionError.Reason)
  }

  /// What a read into memory of the caller's has come to.
  enum FillOutcome {
    case filled(Int)
    case endOfInput
    case refused(ConnectionError.Reason)
  }

  /// What a task waits for that has written.
  enum OutputGoal: Sendable {
    /// The queue has fallen to the low watermark.
    case room
    /// Everything has been sent.
    case flush
  }

  /// How many reads or writes of a task's succeed at once before others have their turn.
  private static let share: UInt8 = 64
  /// How many pieces are sent in one call. Each takes room on the stack; a call for each 64 costs little.
  private static let vector = 64

  // What each message touches comes first, in few cache lines: with many connections, none of them is in the cache. The
  // order leaves few gaps, as each connection has one.
  let channel: any Channel
  let driver: any Driver
  private(set) var monitor: StreamMonitor?
  /// What takes all input, in place of tasks that read.
  @safe @exclusivity(unchecked) private var pump: Pump?
  /// Bytes that were received, and put back, before the channel's.
  @safe @exclusivity(unchecked) var lookahead = ByteQueue()
  @safe @exclusivity(unchecked) private var output = ByteQueue()
  /// Why nothing can be sent any more.
  @safe @exclusivity(unchecked) private var outputFailure: ConnectionError.Reason?
  @safe @exclusivity(unchecked) private var outputEnds = false
  @safe @exclusivity(unchecked) private var doneAtOnce: UInt8 = 0
  @safe @exclusivity(unchecked) private var isFlushing = false
  /// Whether the task that serves the connection was cancelled. It stays so, as it may be told before the task has begun, or
  /// while it decides to wait.
  @safe @exclusivity(unchecked) private var isServiceCancelled = false
  /// What is answered once the stream is closed; nil until then.
  @safe @exclusivity(unchecked) private var closure: ConnectionError.Reason?
  @safe @exclusivity(unchecked) var watermarks = Watermarks()
  /// The task that waits for input; without a waiter while it does so in place.
  @safe @exclusivity(unchecked) private var reader: (id: UInt64, waiter: Waiter<ConnectionError.Reason?>?)?
  /// The task that serves the connection.
  @safe @exclusivity(unchecked) private var owner: CallingTask?

  @safe @exclusivity(unchecked) private var lastID: UInt64 = 0
  @safe @exclusivity(unchecked) private var roomWaiters = WaiterList<ConnectionError.Reason?>()
  @safe @exclusivity(unchecked) private var flushWaiters = WaiterList<ConnectionError.Reason?>()
  /// How the connection was broken off: see ``outcome(of:)``.
  @safe @exclusivity(unchecked) private var breakage: Errno?
  /// How many bytes could not be sent any more.
  private var lostCount = 0
  /// Why it was closed, as others are told; nil until then.
  private var closeReason: CloseReason?

  var isClosed: Bool { closure != nil }

  init(_ channel: any Channel, driver: any Driver, observation: ConnectionObservation?) {
    self.channel = channel
    self.driver = driver
    monitor = observation.map { StreamMonitor($0) }
    channel.delegate = self
  }

  /// The descriptor, for options and addresses; nil once it is closed.
  var openDescriptor: Int32? { isClosed ? nil : channel.rawDescriptor }
}

// MARK: - Waits

extension Stream {
  /// Names the wait of the task that serves the connection, which has one at a time.
  static let ownerID: UInt64 = 0

  /// Names the next wait of the calling task, so that a late cancellation hits no other.
  func makeWaitID() -> UInt64 {
    if let owner, CallingTask.current == owner { return Self.ownerID }
    lastID += 1
    return lastID
  }

  /// Whether the task whose wait that is, the calling one, was cancelled.
  func isCancelled(_ id: UInt64) -> Bool {
    isServiceCancelled(id) || CallingTask.current?.isCancelled ?? false
  }

  /// Whether that is a wait of who serves the connection, and was told to stop.
  func isServiceCancelled(_ id: UInt64) -> Bool { id == Self.ownerID && isServiceCancelled }

  /// The calling task serves the connection from now on.
  func beginService() {
    owner = .current
  }

  func endService() {
    owner = nil
  }

  /// The task that serves the connection, or is to, was cancelled.
  func serviceWasCancelled() {
    isServiceCancelled = true
    cancelRead(Self.ownerID)
    cancelWrite(Self.ownerID)
  }
}

// MARK: - Fairness

extension Stream {
  /// Counts what a task has done without a wait: a write, or a read of bytes that may have come with many others.
  ///
  /// - Returns: Whether others are to have their turn now. Of a task that never has to wait, they would have none.
  func endsShare() -> Bool {
    doneAtOnce += 1
    guard doneAtOnce == Self.share else { return false }
    doneAtOnce = 0
    return true
  }
}

// MARK: - The channel

/// What the channel says is the end of a wait.
extension Stream: ChannelDelegate {
  func channelHasInput() {
    endRead(nil)
  }

  func channelHasRoom() {
    isFlushing = false
    flush()
  }
}

// MARK: - Reading

extension Stream {
  var readRefusal: ConnectionError.Reason? {
    // To look is cheaper than to copy a reason that isn't there; so below.
    guard isClosed || isBeingRead else { return nil }
    return closure ?? .busy
  }

  private var isBeingRead: Bool { reader != nil || pump != nil }

  /// Reads without waiting; nil if that isn't possible.
  func readNow() -> ReadOutcome? {
    if let readRefusal { return .refused(readRefusal) }
    return takeNow()
  }

  /// Reads without waiting, for whoever is known to be the only reader.
  @inline(__always)
  func takeNow() -> ReadOutcome? {
    if !lookahead.isEmpty { return takeLookahead() }
    return channel.receiveNow().map(outcome)
  }

  /// Receives without waiting, past what was put back; nil if that isn't possible.
  func receiveNow() -> ReadOutcome? {
    if let readRefusal { return .refused(readRefusal) }
    return channel.receiveNow().map(outcome)
  }

  /// Receives into memory of the caller's without waiting; nil if that isn't possible.
  ///
  /// - Parameter memory: At least one byte.
  func readNow(into memory: UnsafeMutableRawBufferPointer) -> FillOutcome? {
    if let readRefusal { return .refused(readRefusal) }
    if !lookahead.isEmpty { return unsafe .filled(takeLookahead(into: memory)) }
    switch unsafe channel.receiveNow(into: memory) {
    case nil: return nil
    case .filled(let count):
      monitor?.received(count)
      return .filled(count)
    case .elsewhere(let received): return unsafe fill(memory, with: outcome(of: received))
    }
  }

  private func fill(_ memory: UnsafeMutableRawBufferPointer, with outcome: ReadOutcome) -> FillOutcome {
    switch outcome {
    case .refused(let reason): return .refused(reason)
    case .endOfInput: return .endOfInput
    case .bytes(let buffer, let count):
      // The buffer is ours, and filled so far. What there is no room for is kept.
      let bytes = unsafe UnsafeRawBufferPointer(start: buffer.start, count: count)
      let taken = min(count, memory.count)
      unsafe memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<taken]))
      unsafe lookahead.append(bytes[taken...])
      unsafe driver.give(back: buffer)
      return .filled(taken)
    }
  }

  private func takeLookahead(into memory: UnsafeMutableRawBufferPointer) -> Int {
    let bytes = lookahead.contents.prefix(memory.count)
    unsafe memory.copyBytes(from: bytes)
    lookahead.removeFirst(bytes.count)
    return bytes.count
  }

  /// Waits until reading is worth another try. To be called when ``readNow()`` has returned nil.
  func awaitInput(_ id: UInt64, _ waiter: Waiter<ConnectionError.Reason?>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: .cancelled) }
    if let readRefusal { return waiter.resume(returning: readRefusal) }
    beginRead(id, waiter)
  }

  private func beginRead(_ id: UInt64, _ waiter: Waiter<ConnectionError.Reason?>?) {
    reader = (id, waiter)
    // The others have their turn meanwhile.
    doneAtOnce = 0
    channel.awaitInput()
  }

  /// Waits for what comes next without suspending the calling task, while the loop has nothing else to do. To be called
  /// when ``readNow()`` has returned nil.
  ///
  /// - Returns: Whether reading is worth another try. If not, nothing is waited for: the task is to be suspended, which
  ///   also tells if that wouldn't be granted.
  func awaitInputInPlace(_ id: UInt64, on loop: EventLoop) -> Bool {
    guard readRefusal == nil, !isCancelled(id) else { return false }
    beginRead(id, nil)
    loop.waitInPlace { reader == nil }
    guard reader != nil else { return true }
    channel.cancelInput()
    reader = nil
    return false
  }

  /// The kernel tells once that a connection was broken off, be it to a read or to a write. What it tells from then on
  /// looks like a proper end.
  @inline(__always)
  private func outcome(of received: Received) -> ReadOutcome {
    switch received {
    case .bytes(let buffer, let count):
      monitor?.received(count)
      return unsafe .bytes(buffer, count: count)
    case .failure(let errno): return .refused(noteBreakage(errno))
    case .endOfInput:
      if let breakage { return .refused(.init(breakage)) }
      monitor?.observation?.receivedEnd()
      return .endOfInput
    }
  }

  /// The connection is found broken by a receive.
  func noteBreakage(_ errno: Errno) -> ConnectionError.Reason {
    breakage = errno
    return .init(errno)
  }

  /// Never called while the task waits in place: a cancellation comes as something to run, which ends that.
  func cancelRead(_ id: UInt64) {
    if let pump, pump.inputID == id { pump.cancel() }
    guard let reader, reader.id == id else { return }
    assert(reader.waiter != nil, "a wait in place can't be told why it ends")
    channel.cancelInput()
    endRead(.cancelled)
  }

  private func endRead(_ reason: ConnectionError.Reason?) {
    guard let reader else { return }
    self.reader = nil
    reader.waiter?.resume(returning: reason)
  }

  /// A pump takes all that comes from here on, if nobody else does. The channel tells the pump itself: by way of the stream
  /// each message would count one reference more.
  ///
  /// - Returns: Why it can't.
  func beginPump(_ pump: Pump) -> ConnectionError.Reason? {
    if let readRefusal { return readRefusal }
    self.pump = pump
    channel.delegate = pump
    return nil
  }

  /// Tells the pump when there is something to take. A pump that asked the channel itself would count a reference to it.
  func awaitPumpInput() {
    channel.awaitInput()
  }

  func endPump() {
    pump = nil
    guard !isClosed else { return }
    channel.cancelInput()
    channel.delegate = self
  }

  /// Takes bytes that were received before.
  func takeLookahead(_ count: Int) -> [UInt8] {
    defer { lookahead.removeFirst(count) }
    return Array(lookahead.contents.prefix(count))
  }

  private func takeLookahead() -> ReadOutcome {
    let buffer = unsafe driver.pool.take()
    let bytes = lookahead.contents.prefix(BufferPool.bufferSize)
    // The buffer is ours, and as long as the prefix at least.
    unsafe UnsafeMutableRawBufferPointer(start: buffer.start, count: bytes.count).copyBytes(from: bytes)
    lookahead.removeFirst(bytes.count)
    return unsafe .bytes(buffer, count: bytes.count)
  }
}

// MARK: - Writing

extension Stream {
  /// Sends at once what there is room for, and queues the rest.
  func write(_ bytes: UnsafeRawBufferPointer) -> UnfinishedWrite? {
    write {
      unsafe channel.sendNow(bytes)
    } queueing: { sent in
      if sent < bytes.count { unsafe output.append(bytes[sent...]) }
    }
  }

  /// Sends at once what there is room for, several pieces in one call, and queues the rest.
  func write(_ pieces: [[UInt8]]) -> UnfinishedWrite? {
    write {
      send(pieces)
    } queueing: { sent in
      var sent = sent
      for piece in pieces {
        output.append(piece.dropFirst(sent))
        sent -= min(sent, piece.count)
      }
    }
  }

  /// - Parameter queue: Queues what is left when so many bytes were sent.
  @inline(__always)
  private func write(_ send: () -> Result<Int, Errno>, queueing queue: (_ sent: Int) -> Void) -> UnfinishedWrite? {
    if let refusal { return UnfinishedWrite(.refused(refusal)) }
    var sent = 0
    if output.isEmpty {
      switch send() {
      case .success(let count):
        sent = count
        monitor?.sent(count)
      case .failure(let errno): return UnfinishedWrite(.refused(failOutput(errno)))
      }
    }
    queue(sent)
    return restOfWrite()
  }

  /// - Returns: How many bytes the kernel has taken, of all pieces together.
  private func send(_ pieces: [[UInt8]]) -> Result<Int, Errno> {
    var rest = pieces[...]
    var sent = 0
    while !rest.isEmpty {
      let batch = rest.prefix(Self.vector)
      rest = rest.dropFirst(Self.vector)
      switch unsafe batch.withMemory({ unsafe channel.sendNow($0) }) {
      case .success(let count):
        sent += count
        guard count == batch.byteCount else { return .success(sent) }
      case .failure(let errno):
        return .failure(errno)
      }
    }
    return .success(sent)
  }

  /// Writes a chunk: hands it over to the channel, or returns its buffer before a wait that may be long.
  ///
  /// - Parameter reactor: The stream's. A chunk of another is copied.
  func write(_ chunk: consuming Chunk, on reactor: Reactor) -> UnfinishedWrite? {
    guard channel.takesChunks, chunk.reactor === reactor, refusal == nil, output.isEmpty else {
      return write(bytesOf: chunk)
    }
    let count = chunk.count
    guard let chunk = channel.take(chunk) else {
      monitor?.sent(count)
      return restOfWrite()
    }
    return write(bytesOf: chunk)
  }

  /// Writes any chunk, and returns its buffer.
  private func write(bytesOf chunk: consuming Chunk) -> UnfinishedWrite? {
    chunk.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe write($0) } }
  }

  /// What is left of a write whose bytes are sent, or queued.
  private func restOfWrite() -> UnfinishedWrite? {
    if !output.isEmpty { noteQueued() }
    if unsentCount > watermarks.high {
      flushLater()
      return UnfinishedWrite(.room)
    }
    return endsShare() ? UnfinishedWrite(.turn) : nil
  }

  /// Writes for somebody who doesn't wait: more than so many bytes aren't kept for a slow peer, which is cut off instead.
  func post(_ bytes: [UInt8], limit: Int) {
    _ = unsafe bytes.withUnsafeBytes { unsafe write($0) }
    if unsentCount > limit { abort(because: .fellBehind) }
  }

  /// How many bytes wait to be sent.
  var unsentCount: Int { output.count + channel.unsentCount }

  var refusal: ConnectionError.Reason? {
    guard isClosed || outputEnds || outputFailure != nil else { return nil }
    return closure ?? (outputEnds ? .closed : outputFailure)
  }

  /// Waits until the queue has fallen to the low watermark, or everything has been sent.
  ///
  /// - Parameter isCancelled: Whether the task that waits was cancelled.
  func awaitOutput(
    _ goal: OutputGoal, _ id: UInt64, _ waiter: AnyWaiter<ConnectionError.Reason?>, isCancelled: Bool = false
  ) {
    if let closure { return waiter.resume(returning: closure) }
    if hasReached(goal) { return waiter.resume(returning: outputFailure ?? channel.sendFailure.map(failOutput)) }
    guard !isCancelled, !isServiceCancelled(id) else { return waiter.resume(returning: .cancelled) }
    switch goal {
    case .room: roomWaiters.append(waiter, named: id)
    case .flush: flushWaiters.append(waiter, named: id)
    }
    flushLater()
  }

  private func hasReached(_ goal: OutputGoal) -> Bool {
    switch goal {
    case .room: unsentCount <= watermarks.low
    case .flush: unsentCount == 0
    }
  }

  func cancelWrite(_ id: UInt64) {
    takeOutputWaiter(id)?.resume(returning: .cancelled)
  }

  /// Takes out who waits for output by that name.
  @discardableResult
  func takeOutputWaiter(_ id: UInt64) -> AnyWaiter<ConnectionError.Reason?>? {
    roomWaiters.take(id) ?? flushWaiters.take(id)
  }

  /// Sends no more, once everything that is queued has been sent.
  func endOutput() {
    guard !outputEnds, !isClosed else { return }
    outputEnds = true
    if unsentCount == 0 { shutdownOutput() } else { flushLater() }
  }

  private func flushLater() {
    guard !isFlushing else { return }
    isFlushing = true
    channel.awaitRoom()
  }

  /// Sends of the queue what there is room for, or finds out why nothing can be sent any more.
  func flush() {
    if let errno = channel.sendFailure ?? sendQueued() {
      failOutput(errno)
      return
    }
    if unsentCount > 0 { flushLater() } else if outputEnds { shutdownOutput() }
    let haveRoom = hasReached(.room) ? roomWaiters.takeAll() : []
    let areDone = hasReached(.flush) ? flushWaiters.takeAll() : []
    haveRoom.resume(returning: nil)
    areDone.resume(returning: nil)
  }

  /// - Returns: What has gone wrong. There may be nothing to send, as it is the channel that has bytes.
  private func sendQueued() -> Errno? {
    guard !output.isEmpty else { return nil }
    switch unsafe output.contents.withUnsafeBytes({ unsafe channel.sendNow($0) }) {
    case .failure(let errno): return errno
    case .success(let count):
      output.removeFirst(count)
      monitor?.sent(count)
      monitor?.observation?.queued(output.count)
      return nil
    }
  }

  /// Queues bytes, behind those that are.
  func queue(_ bytes: UnsafeRawBufferPointer) {
    unsafe output.append(bytes)
    noteQueued()
  }

  private func noteQueued() {
    monitor?.observation?.queued(output.count)
    flushLater()
  }

  private func shutdownOutput() {
    // A peer that has gone meanwhile needs no telling.
    guard let errno = channel.shutdownOutput(), errno != .socketNotConnected else { return }
    failOutput(errno)
  }

  @discardableResult
  func failOutput(_ errno: Errno) -> ConnectionError.Reason {
    let reason = ConnectionError.Reason(errno)
    outputFailure = reason
    // A broken pipe alone leaves open what the peer has sent, to its end.
    if errno != .brokenPipe { breakage = errno }
    lostCount += output.count
    output = ByteQueue()
    roomWaiters.takeAll().resume(returning: reason)
    flushWaiters.takeAll().resume(returning: reason)
    return reason
  }
}

// MARK: - Closing

extension Stream {
  /// Closes at once; what is queued is lost.
  func abort(because reason: CloseReason) {
    guard !isClosed else { return }
    let closure: ConnectionError.Reason = if case .idle = reason { .timedOut } else { .closed }
    self.closure = closure
    let closeReason = loss.map { .lost($0) } ?? reason
    self.closeReason = closeReason
    monitor?.closed(because: closeReason, unsent: output.count + lostCount)
    if breaksOff(because: reason) { channel.resetOnClose() }
    channel.close()
    output = ByteQueue()
    lookahead = ByteQueue()
    endRead(closure)
    pump?.endInput(closure)
    roomWaiters.takeAll().resume(returning: closure)
    flushWaiters.takeAll().resume(returning: closure)
    tellOfClose(closeReason)
  }

  private func tellOfClose(_ reason: CloseReason) {
    guard let monitor else { return }
    let bodies = monitor.whenClosed
    monitor.whenClosed = []
    for body in bodies { body(reason) }
  }

  /// Calls when it is closed: at once, if it is by now.
  func onClose(_ body: @escaping (CloseReason) -> Void) {
    if let closeReason { return body(closeReason) }
    ensureMonitor().whenClosed.append(body)
  }

  /// Whether the peer is to see the connection broken: it must not take a part for the whole.
  private func breaksOff(because reason: CloseReason) -> Bool {
    if case .aborted = reason { return true }
    return output.count + lostCount > 0 || channel.losesOnClose
  }

  /// Closes if everything that was written has been sent.
  ///
  /// - Returns: Whether it is closed.
  func closeIfFlushed() -> Bool {
    if unsentCount == 0, outputFailure == nil, channel.sendFailure == nil { abort(because: .finished) }
    return isClosed
  }

  /// Closes once nothing has moved for so long.
  ///
  /// - Parameter limit: nil for never.
  func setIdleTimeout(_ limit: Duration?, on loop: EventLoop) {
    guard !isClosed else { return }
    guard let limit else {
      monitor?.idleTimer = nil
      return
    }
    ensureMonitor().idleTimer = IdleTimer(limit: limit, on: loop) { [weak self] in
      self?.outstandingCount ?? 0
    } onIdle: { [weak self] in
      self?.abort(because: .idle)
    }
  }

  /// How many bytes the peer has yet to take, in the kernel's queue and before it.
  private var outstandingCount: Int {
    guard let descriptor = openDescriptor else { return 0 }
    return unsentCount + ((try? Kernel.sendQueueLength(descriptor)) ?? 0)
  }

  /// Closes if nothing has moved since the last call, and nothing is owed to the peer: all is sent, and whoever serves it
  /// waits for more. The first call closes nothing.
  func closeIfAtRest() {
    guard !isClosed else { return }
    let monitor = ensureMonitor()
    let awaitsInput = reader != nil || pump?.awaitsOutput == false
    let owesNothing = unsentCount == 0 && awaitsInput && lookahead.isEmpty
    if !monitor.hasMoved, owesNothing { abort(because: .shutDown) }
    monitor.hasMoved = false
  }

  private func ensureMonitor() -> StreamMonitor {
    if let monitor { return monitor }
    let made = StreamMonitor(nil)
    monitor = made
    return made
  }

  /// How the connection was broken before it was closed.
  private var loss: ConnectionError.Reason? {
    breakage.map { ConnectionError.Reason($0) } ?? outputFailure
  }
}
