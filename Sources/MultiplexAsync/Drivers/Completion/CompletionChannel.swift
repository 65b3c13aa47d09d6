internal import Multiplex
internal import SystemPackage

/// One connection on a completion driver, which owns the descriptor.
final class CompletionChannel: Channel, CompletionHandler, DeferredNotifier {
  /// How receiving has ended.
  enum End {
    case endOfInput
    case failure(Errno)
  }

  // Ordered to leave few gaps: this is most of what an idle connection costs.
  private(set) var rawDescriptor: Int32
  @safe @exclusivity(unchecked) private(set) var slot: HandlerTable.Slot = 0
  let driver: CompletionDriver
  @safe @exclusivity(unchecked) var delegate: (any ChannelDelegate)?

  @safe @exclusivity(unchecked) var received = ReceivedQueue()
  @safe @exclusivity(unchecked) var outgoing = OutgoingQueue()
  /// The batch of the last inline send, and its byte count.
  @safe @exclusivity(unchecked) var inlineBatch: UInt64 = 0
  @safe @exclusivity(unchecked) var inlineCount: UInt32 = 0
  /// Its index among the driver's inline sends.
  @safe @exclusivity(unchecked) var inlineIndex: UInt32 = 0
  /// How many bytes were given up, as sending has failed.
  @safe @exclusivity(unchecked) var givenUpCount: UInt32 = 0
  /// Limits our own receives. Otherwise a peer that always has more data would keep all others waiting.
  @safe @exclusivity(unchecked) var share = TurnShare(16)
  @safe @exclusivity(unchecked) var sendFailure: Errno?
  @safe @exclusivity(unchecked) var end: End?

  @safe @exclusivity(unchecked) var isClosed = false
  @safe @exclusivity(unchecked) var isAwaitingInput = false
  /// The receive in progress.
  @safe @exclusivity(unchecked) var receiving = MultishotState.idle
  @safe @exclusivity(unchecked) var bulk = BulkReceiving()
  /// The wait for input that calls of our own receive.
  @safe @exclusivity(unchecked) var inputWait = MultishotState.idle
  @safe @exclusivity(unchecked) var isAwaitingRoom = false
  /// The wait for room to send.
  @safe @exclusivity(unchecked) var roomWait = MultishotState.idle
  /// Whether that wait takes a multishot poll, as others end at once.
  @safe @exclusivity(unchecked) var isRoomWaitMultishot = false
  /// Whether that wait has found room.
  @safe @exclusivity(unchecked) var hasFoundRoom = false
  /// Whether there was no room for all of the last send, inline or immediate.
  @safe @exclusivity(unchecked) var isFull = false
  /// Whether its delegate will be notified when all completions of this turn are known.
  @safe @exclusivity(unchecked) var isToNotify = false
  /// Whether it will be called at the end of the batch.
  @safe @exclusivity(unchecked) var isAwaitingSubmission = false

  init(_ descriptor: consuming OwnedDescriptor, driver: CompletionDriver) {
    self.rawDescriptor = descriptor.release().rawValue
    self.driver = driver
    slot = driver.insert(self)
  }

  var descriptor: FileDescriptor { FileDescriptor(rawValue: rawDescriptor) }

  func handle(_ completion: Ring.Completion, of operation: RingOperation) {
    switch operation {
    case .receive: endReceive(completion)
    case .input: endInputWait(completion)
    default: endRoomWait(completion)
    }
    if isClosed { leaveIfDone() }
  }

  func notifyDelegate() {
    isToNotify = false
    useRoom()
    notifyRoom()
    if isWorthReceiving { notifyInput() }
  }

  func notifyLater() {
    guard !isToNotify, !isClosed else { return }
    isToNotify = true
    driver.notifyLater(self)
  }

  // MARK: Submissions

  func awaitSubmission() {
    guard !isAwaitingSubmission else { return }
    isAwaitingSubmission = true
    driver.awaitSubmission(self)
  }

  /// The batch has ended: inline sends are done, and receives have a new share.
  func submissionDone() {
    isAwaitingSubmission = false
    guard !isClosed else {
      // Something else in this turn has sent and then closed it: that send is part of the next batch.
      if isSendingInline { return awaitSubmission() }
      closeDescriptor()
      return leaveIfDone()
    }
    if !isFull {
      send()
      notifyRoom()
    }
    if isWorthReceiving { notifyInput() }
  }

  // MARK: Closing

  /// Stops using the descriptor, as it was closed elsewhere and its number may soon be another file's. Every call fails
  /// from now on, and waits end.
  func abandon() {
    guard rawDescriptor != noDescriptor else { return }
    end = .failure(.badFileDescriptor)
    sendFailure = .badFileDescriptor
    isFull = false
    giveUpQueue()
    stopWatchingRoom()
    stopWatchingInput()
    driver.disown(descriptor)
    rawDescriptor = noDescriptor
    awaitSubmission()
  }

  /// Closes the connection. The channel is removed when its operations have ended.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    isAwaitingInput = false
    isAwaitingRoom = false
    delegate = nil
    recycleReceived()
    stopReceive()
    stopWatchingInput()
    stopWatchingRoom()
    discard(outgoing.count)
    // An inline send has to be sent, or found to be lost, first.
    if isSendingInline { awaitSubmission() } else { closeDescriptor() }
    leaveIfDone()
  }

  private func closeDescriptor() {
    guard rawDescriptor != noDescriptor else { return }
    driver.close(descriptor)
    rawDescriptor = noDescriptor
  }

  private func recycleReceived() {
    while case .bytes(let buffer, _)? = received.popFirst() { unsafe driver.recycle(buffer) }
  }

  func leaveIfDone() {
    guard isClosed, !receiving.isActive, !inputWait.isActive, !roomWait.isActive, !isAwaitingSubmission else { return }
    driver.remove(slot)
  }
}
