internal import Multiplex
internal import SystemPackage

/// I/O by completion, on io_uring: what is wanted is handed to the kernel, and each turn of the loop makes one system call,
/// which submits all that has gathered and waits for what is done.
///
/// Accepting and receiving go on by themselves once they were begun (multishot); what is received lies in buffers that the
/// kernel takes when it needs them. A send has its bytes lent until it is complete.
final class CompletionDriver: Driver {
  /// What receives name the buffers by.
  static let group: UInt16 = 0
  /// Room for submissions. More of them cost another system call.
  private static let entries = 1024
  /// Room for completions. More of them wait in the kernel, at a price.
  private static let completions = 8192
  /// How long to wait, at the end, for the kernel to let go of what it was lent.
  private static let endLimit = Duration.seconds(1)
  /// How long to rest there when the kernel is short of something.
  private static let rest = Duration.milliseconds(1)

  @safe @exclusivity(unchecked) private var ring: Ring
  let pool = BufferPool()
  let sparePipe = SpareSplicePipe()
  private let observation: TurnObservation?
  /// For what is small when it is sent.
  private let smallPool = BufferPool(bufferSize: 4 * 1024)
  private let buffers: ReceiveBuffers
  let waker: Waker

  @safe @exclusivity(unchecked) private var handlers = HandlerTable()
  /// Descriptors that were handed over.
  private var owned = DescriptorBitmap()
  /// The waits for each lent descriptor. Among all handlers, of which each connection is one, they would be searched for with
  /// each connection that comes.
  private var polls: [FileDescriptor: [CompletionPoll]] = [:]
  /// How many operations there are whose last completion hasn't come.
  @safe @exclusivity(unchecked) private var operations = 0
  @safe @exclusivity(unchecked) private var wasWoken = false
  /// Submissions that there was no room for.
  @safe @exclusivity(unchecked) private var backlog: [Ring.Submission] = []
  private var sweepInterval = SweepInterval()
  private var isEnding = false
  /// Those that go with the next submission.
  @safe @exclusivity(unchecked) private var inlineSends = InlineSends()
  /// Those that went with the last one, until its completions were taken.
  @safe @exclusivity(unchecked) private var submittedSends = InlineSends()
  /// Counts the calls that submit: what is sent inline is under way until its batch has ended.
  @safe @exclusivity(unchecked) private(set) var batch: UInt64 = 1
  /// Those that a completion of this turn concerns.
  @safe @exclusivity(unchecked) private var notifiers: [any DeferredNotifier] = []
  /// Channels that wait for the end of the batch.
  @safe @exclusivity(unchecked) private var awaitingSubmission: [CompletionChannel] = []
  /// Headers of sends, for the next.
  @safe @exclusivity(unchecked) private var messages: [MessageHeader] = []

  /// Whether the kernel can do all that this driver asks of it, and has room for it, found out once, by making one. A passing
  /// shortage counts as a no.
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
      // Nothing tells that an inline send was done, but that the call has returned.
      // Nor does anything tell when there is room for what there was none for: it goes with the next turn.
      let isToWait = awaitingSubmission.isEmpty && backlog.isEmpty
      try ring.submitAndWait(for: isToWait ? 1 : 0, timeout: limit)
    } catch let error where ring.completionCount == 0 {
      throw error
    } catch {
      // More completions than there is room for, for example: taking some helps.
    }
    if ring.completionCount == 0, waits { sweep() }
    let due = beginBatch()
    // As many as there are now: what comes meanwhile is for after the tasks.
    for _ in 0..<ring.completionCount {
      guard let completion = ring.nextCompletion() else { break }
      handle(completion)
    }
    unsafe submittedSends.end { [self] buffer in unsafe give(back: buffer) }
    notifyDelegates()
    for channel in due { channel.submissionDone() }
    return wasWoken
  }

  private func notifyDelegates() {
    // None is added meanwhile, as that takes a completion.
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
    if let observation { tell(observation, completion, of: operation, on: handler.descriptor) }
    handler.handle(completion, of: operation)
  }

  private func tell(
    _ observation: TurnObservation, _ completion: Ring.Completion, of operation: RingOperation,
    on descriptor: FileDescriptor
  ) {
    // What this side has ended, or closed by now, isn't ready.
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

  /// Begins an operation, with the next submission.
  func start(_ submission: Ring.Submission) {
    operations += 1
    submit(submission)
  }

  /// Hands over something that nobody waits for.
  func submit(_ submission: Ring.Submission) {
    if backlog.isEmpty, (try? ring.prepare(submission)) != nil { return }
    backlog.append(submission)
  }

  /// Ends an operation of a handler, which is told by a last completion.
  func cancel(_ operation: RingOperation, of slot: HandlerTable.Slot) {
    submit(.cancel(operation.token(of: slot), token: RingOperation.silentToken).skippingSuccess())
  }

  /// Closes a descriptor that was handed over.
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

  /// Sends what there is room for, with the next submission. The buffer is returned when that has been done; if it
  /// couldn't be done wholly, the channel gets it back.
  func sendInline(_ buffer: PooledBuffer, _ range: Range<Int>, on channel: CompletionChannel) -> UInt32 {
    let index = unsafe inlineSends.append(buffer, range, of: channel.slot)
    unsafe submit(
      .send(
        on: channel.descriptor, buffer.bytes(range), waitsForRoom: false,
        token: RingOperation.inlineSend.token(of: index)
      ).skippingSuccess())
    return index
  }

  /// Submits what there is. An inline send of this batch is done when the call returns, unless there is a completion for it.
  ///
  /// - Returns: Whether it was done wholly.
  func finishInlineSend(_ index: UInt32) -> Bool {
    guard backlog.isEmpty, (try? ring.submit()) != nil, ring.preparedCount == 0, !ring.isOverflowing else {
      return false
    }
    return !ring.hasCompletion(of: RingOperation.inlineSend.token(of: index))
  }

  /// Has it tell its delegate when all completions of this turn are known.
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
    // The channel is there until its batch has ended.
    guard let channel = unsafe handlers[send.slot] as? CompletionChannel else { return unsafe give(back: send.buffer) }
    unsafe channel.resumeSend(send.buffer, send.range, completion)
  }

  /// The kernel has done what was submitted. What is sent from here on goes with the next submission.
  ///
  /// - Returns: The channels that have waited for that; none if something is left, or the kernel hasn't told of everything.
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

  /// Forgets a handler, none of whose operations is under way.
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
    // A Unix socket is connected at once, or not at all; the ring would wait for a listener that is full.
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
        advice: "a connection or a listener has it: use that")
    }
    // The kernel says so too, but only later.
    guard Kernel.isOpen(fd) else {
      endWaitsOfClosed()
      throw MultiplexError(call: "io_uring_enter", descriptor: descriptor, errno: .badFileDescriptor)
    }
    return CompletionPoll.start(descriptor, for: interest, on: self, body)
  }

  /// A number that is handed over belongs to nobody else: what was lent under it is waited for no more, or was closed.
  private func handOver(_ descriptor: FileDescriptor) {
    owned[descriptor.rawValue] = true
    // Most reactors have none: not to look costs each connection less.
    if !polls.isEmpty { polls[descriptor]?.forEach { $0.end() } }
  }

  /// The descriptor was handed over, and is closed by now, or is about to be.
  func disown(_ descriptor: FileDescriptor) {
    owned[descriptor.rawValue] = false
  }

  /// Looks for lent descriptors that were closed while they were waited for: the kernel doesn't tell. Done by turns that
  /// found nothing.
  private func sweep() {
    guard !polls.isEmpty, sweepInterval.isDue() else { return }
    endWaitsOfClosed()
  }

  func endWaitsOfClosed() {
    for (descriptor, polls) in polls where !Kernel.isOpen(descriptor.rawValue) { polls.forEach { $0.end() } }
  }

  /// The kernel takes the cancellations that it was to be told of with the next turn.
  func letGo() {
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

  func give(back buffer: PooledBuffer) {
    if let id = unsafe buffer.ringID {
      buffers.give(back: id)
    } else if unsafe buffer.capacity == smallPool.bufferSize {
      unsafe smallPool.give(back: buffer)
    } else {
      unsafe pool.give(back: buffer)
    }
  }

  func takeMessage() -> MessageHeader {
    messages.popLast() ?? MessageHeader(capacity: OutgoingQueue.mostPerSend)
  }

  func give(back message: MessageHeader) {
    messages.append(message)
  }

  /// The kernel had no buffer for what came.
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
    // Descriptors that are to be closed, of channels that have waited for the end of their sends.
    repeat { takeTurn(for: .zero) } while (ring.preparedCount > 0 || !backlog.isEmpty) && ContinuousClock.now < deadline
  }

  /// A turn at the end. Where the kernel is short of something, the next may do better: descriptors that it isn't told to close
  /// would stay open.
  private func takeTurn(for limit: Duration) {
    if (try? turn(for: limit)) == nil { Kernel.sleep(for: Self.rest) }
  }
}
