internal import Multiplex
internal import SystemPackage

/// I/O by completion, on io_uring: operations are handed to the kernel, and each turn of the loop makes one system
/// call, which submits everything gathered and waits for completions.
///
/// Accepts and receives continue by themselves once started (multishot); received bytes are in buffers that the kernel
/// takes when it needs them. The kernel borrows the bytes of a send until it is complete.
final class CompletionDriver: Driver {
  /// The buffer group that receives use.
  static let group: UInt16 = 0
  /// Room for submissions. More of them cost another system call.
  private static let entries = 1024
  /// Room for completions. More of them wait in the kernel, at a cost.
  private static let completions = 8192
  /// How long to wait, at the end, for the kernel to release what it borrowed.
  private static let endLimit = Duration.seconds(1)
  /// How long to sleep then when the kernel lacks resources.
  private static let retryDelay = Duration.milliseconds(1)

  @safe @exclusivity(unchecked) private var ring: Ring
  let pool = BufferPool()
  let sparePipe = SpareSplicePipe()
  private let observation: TurnObservation?
  /// For small sends.
  private let smallPool = BufferPool(bufferSize: 4 * 1024)
  private let buffers: ReceiveBuffers
  let waker: Waker

  @safe @exclusivity(unchecked) private var handlers = HandlerTable()
  /// Descriptors that the driver owns.
  private var owned = DescriptorBitmap()
  /// The waits for each borrowed descriptor. Finding them among all handlers, of which each connection is one, would
  /// take a search for each new connection.
  private var polls: [FileDescriptor: [CompletionPoll]] = [:]
  /// How many operations haven't had their last completion.
  @safe @exclusivity(unchecked) private var operations = 0
  @safe @exclusivity(unchecked) private var wasWoken = false
  /// Submissions that found no room.
  @safe @exclusivity(unchecked) private var backlog: [Ring.Submission] = []
  private var sweepInterval = SweepInterval()
  private var isEnding = false
  /// Inline sends that go with the next submission.
  @safe @exclusivity(unchecked) private var inlineSends = InlineSends()
  /// Inline sends that went with the last submission, until its completions were taken.
  @safe @exclusivity(unchecked) private var submittedSends = InlineSends()
  /// Counts the calls that submit: an inline send is in progress until its batch has ended.
  @safe @exclusivity(unchecked) private(set) var batch: UInt64 = 1
  /// Handlers with a completion in this turn.
  @safe @exclusivity(unchecked) private var notifiers: [any DeferredNotifier] = []
  /// Channels that wait for the end of the batch.
  @safe @exclusivity(unchecked) private var awaitingSubmission: [CompletionChannel] = []
  /// Unused headers of sends.
  @safe @exclusivity(unchecked) private var messages: [MessageHeader] = []

  /// Whether the kernel supports everything that this driver needs, and has room for it; found out once, by making one.
  /// A temporary shortage counts as a no.
  static let isUsable: Bool = {
    guard let features = (try? CompletionDriver(observation: nil))?.ring.features else { return false }
    return features.supportsMultishotReceive && features.defersWork
  }()

  init(observation: TurnObservation?) throws(MultiplexError) {
    self.observation = observation
    var ring = try Ring(entries: Self.entries, completions: Self.completions, isSingleIssuer: true)
    buffers = try ReceiveBuffers(group: Self.group)
    try ring.register(buffers.group)
    waker = try Waker()
    self.ring = ring
    watchWaker()
  }

  // MARK: Turns

  func turn(for limit: Duration?) throws(MultiplexError) -> Bool {
    wasWoken = false
    let waits = limit.map { $0 > .zero } ?? true
    submitBacklog()
    do {
      // Only the return of the call shows that an inline send was done. Nor is there an event for room where there was
      // none: the backlog goes with the next turn.
      let isToWait = awaitingSubmission.isEmpty && backlog.isEmpty
      try ring.submitAndWait(for: isToWait ? 1 : 0, timeout: limit)
    } catch let error where ring.completionCount == 0 {
      throw error
    } catch {
      // For example, more completions than there is room for: taking some helps.
    }
    if ring.completionCount == 0, waits { sweep() }
    let due = beginBatch()
    // Only those that are there now: later ones are for after the tasks.
    for _ in 0..<ring.completionCount {
      guard let completion = ring.nextCompletion() else { break }
      handle(completion)
    }
    unsafe submittedSends.end { [self] buffer in unsafe recycle(buffer) }
    notifyDelegates()
    for channel in due { channel.submissionDone() }
    return wasWoken
  }

  private func notifyDelegates() {
    // None is added meanwhile: only completions add some.
    for notifier in notifiers { notifier.notifyDelegate() }
    notifiers.removeAll(keepingCapacity: true)
  }

  private func handle(_ completion: Ring.Completion) {
    let operation = RingOperation(of: completion.token)
    if operation == .silent { return }
    if operation == .inlineSend { return endInlineSend(completion) }
    if !completion.hasMore { operations -= 1 }
    if operation == .wake { return wake(completion) }
    guard let handler = handlers[RingOperation.slot(of: completion.token)] else { return }
    if let observation { notify(observation, completion, of: operation, on: handler.descriptor) }
    handler.handle(completion, of: operation)
  }

  private func notify(
    _ observation: TurnObservation, _ completion: Ring.Completion, of operation: RingOperation,
    on descriptor: FileDescriptor
  ) {
    // What this side has cancelled or closed isn't ready.
    guard completion.errno != .canceled else { return }
    switch operation {
    case .poll where completion.errno == nil:
      observation.ready(descriptor, for: Readiness(kernelBits: UInt32(bitPattern: completion.result)))
    case .connect: observation.ready(descriptor, for: .writable)
    case _ where !owned[descriptor.rawValue]: return
    case .send: observation.ready(descriptor, for: .writable)
    default: observation.ready(descriptor, for: .readable)
    }
  }

  /// Starts an operation, with the next submission.
  func start(_ submission: Ring.Submission) {
    operations += 1
    submit(submission)
  }

  /// Submits something whose outcome nobody waits for.
  func submit(_ submission: Ring.Submission) {
    if backlog.isEmpty, (try? ring.prepare(submission)) != nil { return }
    backlog.append(submission)
  }

  /// Cancels an operation of a handler, which gets a last completion.
  func cancel(_ operation: RingOperation, of slot: HandlerTable.Slot) {
    submit(.cancel(operation.token(of: slot), token: RingOperation.silentToken).skippingSuccess())
  }

  /// Closes an owned descriptor.
  func close(_ descriptor: FileDescriptor) {
    disown(descriptor)
    submit(.close(descriptor, token: RingOperation.silentToken).skippingSuccess())
  }

  private func submitBacklog() {
    guard !backlog.isEmpty else { return }
    let submissions = backlog
    backlog = []
    submissions.forEach(submit)
  }

  // MARK: Inline sends

  /// Sends what there is room for, with the next submission. The buffer is recycled when that is done; if only a part
  /// was sent, the channel gets it back.
  ///
  /// - Returns: The index of the send.
  func sendInline(_ buffer: PooledBuffer, _ range: Range<Int>, on channel: CompletionChannel) -> UInt32 {
    let index = unsafe inlineSends.append(buffer, range, of: channel.slot)
    unsafe submit(
      .send(
        on: channel.descriptor, buffer.bytes(range), waitsForRoom: false,
        token: RingOperation.inlineSend.token(of: index)
      ).skippingSuccess())
    return index
  }

  /// Submits everything gathered. An inline send of this batch is done when the call returns, unless there is a
  /// completion for it.
  ///
  /// - Returns: Whether it was done completely.
  func finishInlineSend(_ index: UInt32) -> Bool {
    guard backlog.isEmpty, (try? ring.submit()) != nil, ring.preparedCount == 0, !ring.isOverflowing else {
      return false
    }
    return !ring.hasCompletion(of: RingOperation.inlineSend.token(of: index))
  }

  /// Makes it notify its delegate when all completions of this turn are known.
  func notifyLater(_ notifier: any DeferredNotifier) {
    notifiers.append(notifier)
  }

  /// Calls a channel when the batch has ended.
  func awaitSubmission(_ channel: CompletionChannel) {
    awaitingSubmission.append(channel)
  }

  private func endInlineSend(_ completion: Ring.Completion) {
    let index = RingOperation.slot(of: completion.token)
    let send = unsafe submittedSends.isEmpty ? inlineSends.take(index) : submittedSends.take(index)
    guard let send = unsafe send else { return }
    // The channel exists until its batch has ended.
    guard let channel = unsafe handlers[send.slot] as? CompletionChannel else { return unsafe recycle(send.buffer) }
    unsafe channel.resumeSend(send.buffer, send.range, completion)
  }

  /// Begins a new batch: the kernel has done what was submitted, and further sends go with the next submission.
  ///
  /// - Returns: The channels that have waited for that; none if something is left, or not all completions are known.
  private func beginBatch() -> [CompletionChannel] {
    guard backlog.isEmpty, ring.preparedCount == 0, !ring.isOverflowing else { return [] }
    batch += 1
    swap(&inlineSends, &submittedSends)
    guard !awaitingSubmission.isEmpty else { return [] }
    defer { awaitingSubmission = [] }
    return awaitingSubmission
  }

  private func watchWaker() {
    let fd = FileDescriptor(rawValue: waker.rawDescriptor)
    start(.poll(fd, for: .in, isMultishot: true, token: RingOperation.wake.token(of: 0)))
  }

  private func wake(_ completion: Ring.Completion) {
    wasWoken = true
    waker.reset()
    if !completion.hasMore, !isEnding { watchWaker() }
  }

  // MARK: Handlers

  func insert(_ handler: any CompletionHandler) -> HandlerTable.Slot {
    handlers.insert(handler)
  }

  /// Removes a handler that has no operation in progress.
  func remove(_ slot: HandlerTable.Slot) {
    handlers.remove(slot)
  }

  func makeChannel(_ descriptor: consuming OwnedDescriptor, isUnix: Bool) throws(MultiplexError) -> any Channel {
    handOver(descriptor.fileDescriptor)
    return CompletionChannel(descriptor, driver: self)
  }

  func makeAcceptor(_ descriptor: consuming OwnedDescriptor) throws(MultiplexError) -> any Acceptor {
    handOver(descriptor.fileDescriptor)
    return CompletionAcceptor(descriptor, driver: self)
  }

  func connect(
    _ socket: Socket, to address: SocketAddress, _ body: @escaping (Result<Void, MultiplexError>) -> Void
  ) throws(MultiplexError) -> (any CancellableWait)? {
    // A Unix socket is connected immediately or not at all; the ring would wait for a listener that is full.
    if address.isUnix { return try connectByReadiness(socket, to: address, body) }
    return CompletionConnect.start(socket, to: address, on: self, body)
  }

  func awaitReadiness(
    of fd: Int32, for interest: Interest, _ body: @escaping (Readiness) -> Void
  ) throws(MultiplexError) -> ReadinessWait {
    let descriptor = FileDescriptor(rawValue: fd)
    guard !owned[fd] else {
      throw MultiplexError(
        call: "readiness", descriptor: descriptor, reason: .alreadyRegistered, errno: .fileExists,
        advice: "a connection or listener owns it: use that")
    }
    // The kernel reports this too, but only later.
    guard Kernel.isOpen(fd) else {
      endWaitsOfClosed()
      throw MultiplexError(call: "io_uring_enter", descriptor: descriptor, errno: .badFileDescriptor)
    }
    return CompletionPoll.start(descriptor, for: interest, on: self, body)
  }

  /// Takes ownership of a descriptor, and ends waits for its number.
  private func handOver(_ descriptor: FileDescriptor) {
    owned[descriptor.rawValue] = true
    // Most reactors have no such waits: skipping the lookup saves time for each connection.
    if !polls.isEmpty { polls[descriptor]?.forEach { $0.end() } }
  }

  /// Gives up a descriptor that is closed, or is about to be.
  func disown(_ descriptor: FileDescriptor) {
    owned[descriptor.rawValue] = false
  }

  /// Looks for borrowed descriptors that were closed while they were waited for, as the kernel doesn't report that.
  /// Done by turns that found nothing.
  private func sweep() {
    guard !polls.isEmpty, sweepInterval.isDue() else { return }
    endWaitsOfClosed()
  }

  func endWaitsOfClosed() {
    for (descriptor, polls) in polls where !Kernel.isOpen(descriptor.rawValue) { polls.forEach { $0.end() } }
  }

  /// Submits the cancellations that would go with the next turn.
  func flushCancellations() {
    guard ring.preparedCount > 0 else { return }
    _ = try? ring.submit()
  }

  func insert(_ poll: CompletionPoll) -> HandlerTable.Slot {
    polls[poll.descriptor, default: []].append(poll)
    return handlers.insert(poll)
  }

  func remove(_ poll: CompletionPoll, from slot: HandlerTable.Slot) {
    handlers.remove(slot)
    guard let index = polls.index(forKey: poll.descriptor) else { return }
    polls.values[index].removeAll { $0 === poll }
    if polls.values[index].isEmpty { polls.remove(at: index) }
  }

  // MARK: Buffers

  func takeReceived(_ id: UInt16) -> PooledBuffer {
    unsafe buffers.take(id)
  }

  /// An empty buffer, for bytes to send.
  func takeBuffer(for size: Int) -> PooledBuffer {
    unsafe size <= smallPool.bufferSize ? smallPool.take() : pool.take()
  }

  func recycle(_ buffer: PooledBuffer) {
    if let id = unsafe buffer.ringID {
      buffers.recycle(id)
    } else if unsafe buffer.capacity == smallPool.bufferSize {
      unsafe smallPool.recycle(buffer)
    } else {
      unsafe pool.recycle(buffer)
    }
  }

  func takeMessage() -> MessageHeader {
    messages.popLast() ?? MessageHeader(capacity: OutgoingQueue.maximumPerSend)
  }

  func recycle(_ message: MessageHeader) {
    messages.append(message)
  }

  /// Adds buffers, as the kernel had none for received data.
  func growBuffers() {
    buffers.grow()
  }

  // MARK: The end

  func finish() {
    // Channels hold their driver.
    defer {
      handlers = HandlerTable()
      polls = [:]
      notifiers = []
      awaitingSubmission = []
    }
    isEnding = true
    let deadline = ContinuousClock.now + Self.endLimit
    submit(.cancelAll(token: RingOperation.silentToken))
    while operations > 0 || !awaitingSubmission.isEmpty, ContinuousClock.now < deadline {
      takeTurn(for: deadline - .now)
    }
    // Closes descriptors of channels that have waited for the end of their sends.
    repeat { takeTurn(for: .zero) } while (ring.preparedCount > 0 || !backlog.isEmpty) && ContinuousClock.now < deadline
  }

  /// A turn at the end. Where the kernel lacks resources, the next one may succeed: otherwise descriptors whose close
  /// wasn't submitted would stay open.
  private func takeTurn(for limit: Duration) {
    if (try? turn(for: limit)) == nil { Kernel.rest(for: Self.retryDelay) }
  }
}
