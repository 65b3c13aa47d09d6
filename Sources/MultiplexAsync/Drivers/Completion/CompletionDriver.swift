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
  /// How much of its deferred work the kernel does in each call, at least, if there is as much: 20 since Linux 6.13, all
  /// of it before.
  private static let deferredWork = 20

  @safe @exclusivity(unchecked) var ring: Ring
  let pool = BufferPool()
  let sparePipe = SpareSplicePipe()
  private let observation: TurnObservation?
  /// For small sends.
  let smallPool = BufferPool(bufferSize: 4 * 1024)
  let buffers: ReceiveBuffers
  let waker: Waker

  @safe @exclusivity(unchecked) var handlers = HandlerTable()
  /// Descriptors that the driver owns.
  var owned = DescriptorBitmap()
  /// The waits for each borrowed descriptor. Finding them among all handlers, of which each connection is one, would
  /// take a search for each new connection.
  var polls: [FileDescriptor: [CompletionPoll]] = [:]
  /// How many operations haven't had their last completion.
  @safe @exclusivity(unchecked) var operations = 0
  @safe @exclusivity(unchecked) private var wasWoken = false
  /// Whether the last wait has found nothing.
  @safe @exclusivity(unchecked) private var foundNothing = false
  /// Whether completions are being handled.
  @safe @exclusivity(unchecked) private var isHandling = false
  /// Submissions that found no room.
  @safe @exclusivity(unchecked) var backlog: [Ring.Submission] = []
  var sweepInterval = SweepInterval()
  var isEnding = false
  /// Inline sends that go with the next submission.
  @safe @exclusivity(unchecked) var inlineSends = InlineSends()
  /// Inline sends that went with the last submission, until its completions were taken.
  @safe @exclusivity(unchecked) var submittedSends = InlineSends()
  /// Counts the calls that submit: an inline send is in progress until its batch has ended.
  @safe @exclusivity(unchecked) private(set) var batch: UInt64 = 1
  /// Handlers with a completion in this turn.
  @safe @exclusivity(unchecked) var notifiers: [any DeferredNotifier] = []
  /// Channels that wait for the end of the batch.
  @safe @exclusivity(unchecked) var awaitingSubmission: [CompletionChannel] = []

  /// Whether the kernel supports everything that this driver needs, and has room for it; found out once, by making one.
  /// A temporary shortage counts as a no.
  static var isUsable: Bool {
    guard let features = try? firstAttempt.get() else { return false }
    return features.supportsMultishotReceive && features.defersWork
  }

  /// Why the first driver couldn't be made; nil if it could.
  static var shortage: MultiplexError? {
    if case .failure(let error) = firstAttempt { error } else { nil }
  }

  private static let firstAttempt = Result { () throws(MultiplexError) in
    try CompletionDriver(observation: nil).ring.features
  }

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

  func wait(for limit: Duration?) throws(MultiplexError) {
    let waits = limit.map { $0 > .zero } ?? true
    submitBacklog()
    do {
      // Only the return of the call shows that an inline send was done. Nor is there an event for room where there was
      // none: the backlog goes with the next turn. Completions may have been handled since the last one.
      let isToWait = awaitingSubmission.isEmpty && backlog.isEmpty && notifiers.isEmpty && !wasWoken
      try ring.submitAndWait(for: isToWait ? 1 : 0, timeout: limit)
    } catch let error where ring.completionCount == 0 {
      throw error
    } catch {
      // For example, more completions than there is room for: taking some helps.
    }
    if ring.completionCount == 0, waits { sweep() }
  }

  func handleEvents() -> Bool {
    let due = beginBatch()
    foundNothing = ring.completionCount == 0
    handleCompletions()
    unsafe submittedSends.end { [self] buffer in unsafe recycle(buffer) }
    notifyDelegates()
    for channel in due { channel.submissionDone() }
    defer { wasWoken = false }
    return wasWoken
  }

  var waitsBehind: Int {
    // The hint may stay true though there is no more work.
    guard !foundNothing, ring.hasPendingWork || ring.completionCount > 0 else { return 0 }
    return operations / Self.deferredWork + 1
  }

  /// Lets the kernel end an operation that was cancelled, and handles what completes meanwhile. Delegates are notified
  /// in the next turn.
  ///
  /// - Parameter isActive: Whether the operation has yet to end.
  func awaitEnd(while isActive: () -> Bool) {
    // In the middle of handling, an observer has caused this. What is handled now comes first.
    guard !isHandling else { return }
    submitBacklog()
    var turnsLeft = operations / Self.deferredWork + 2
    while isActive(), turnsLeft > 0, (try? ring.submit()) != nil {
      handleCompletions()
      turnsLeft -= 1
    }
  }

  private func handleCompletions() {
    isHandling = true
    // Only those that are there now: later ones are for after the tasks.
    for _ in 0..<ring.completionCount {
      guard let completion = ring.nextCompletion() else { break }
      handle(completion)
    }
    isHandling = false
  }

  private func notifyDelegates() {
    // One of them may have others added: see ``awaitEnd(while:)``.
    var index = 0
    while index < notifiers.count {
      notifiers[index].notifyDelegate()
      index += 1
    }
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
      observation.ready(descriptor, for: Readiness(foundBy: completion))
    case .connect: observation.ready(descriptor, for: .writable)
    case _ where !owned[descriptor.rawValue]: return
    case .room: observation.ready(descriptor, for: .writable)
    default: observation.ready(descriptor, for: .readable)
    }
  }

  // MARK: Submissions

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

  func submitBacklog() {
    guard !backlog.isEmpty else { return }
    let submissions = backlog
    backlog = []
    submissions.forEach(submit)
  }

  // MARK: Batches

  /// Makes it notify its delegate when all completions of this turn are known.
  func notifyLater(_ notifier: any DeferredNotifier) {
    notifiers.append(notifier)
  }

  /// Calls a channel when the batch has ended.
  func awaitSubmission(_ channel: CompletionChannel) {
    awaitingSubmission.append(channel)
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

  // MARK: The waker

  private func watchWaker() {
    let fd = FileDescriptor(rawValue: waker.rawDescriptor)
    start(.poll(fd, for: .in, isMultishot: true, token: RingOperation.wake.token(of: 0)))
  }

  private func wake(_ completion: Ring.Completion) {
    wasWoken = true
    waker.reset()
    if !completion.hasMore, !isEnding { watchWaker() }
  }
}
