internal import Multiplex
internal import SystemPackage

/// One connection on a completion driver, which owns the descriptor.
final class CompletionChannel: Channel, CompletionHandler, DeferredNotifier {
  /// How receiving has ended.
  enum End {
    case endOfInput
    case failure(Errno)
  }

  // In an order that leaves few gaps: this is most of what an idle connection costs.
  private(set) var rawDescriptor: Int32
  @safe @exclusivity(unchecked) private(set) var slot: HandlerTable.Slot = 0
  let driver: CompletionDriver
  @safe @exclusivity(unchecked) var delegate: (any ChannelDelegate)?

  @safe @exclusivity(unchecked) var received = ReceivedQueue()
  @safe @exclusivity(unchecked) var outgoing = OutgoingQueue()
  /// The batch of the last inline send, and its bytes.
  @safe @exclusivity(unchecked) var inlineBatch: UInt64 = 0
  @safe @exclusivity(unchecked) var inlineCount: UInt32 = 0
  /// Its place among the driver's inline sends.
  @safe @exclusivity(unchecked) var inlineIndex: UInt32 = 0
  /// Where a send of several buffers finds them.
  @safe @exclusivity(unchecked) var message: MessageHeader?
  /// Of receives of our own. A peer that always has more would keep all others waiting otherwise.
  @safe @exclusivity(unchecked) var share = TurnShare(16)
  @safe @exclusivity(unchecked) var sendFailure: Errno?
  @safe @exclusivity(unchecked) var end: End?

  @safe @exclusivity(unchecked) var isClosed = false
  @safe @exclusivity(unchecked) var isAwaitingInput = false
  @safe @exclusivity(unchecked) var isReceiving = false
  /// Whether receiving was told to end, for the time being.
  @safe @exclusivity(unchecked) var isPausing = false
  @safe @exclusivity(unchecked) var bulk = BulkReceiving()
  @safe @exclusivity(unchecked) var isAwaitingRoom = false
  /// Whether a send is under way that waits for room.
  @safe @exclusivity(unchecked) var isSending = false
  /// The bytes of that send.
  @safe @exclusivity(unchecked) var sendingCount = 0
  /// Whether such a send was short: the connection is broken, though the kernel may call it ended.
  @safe @exclusivity(unchecked) var hasLostFailure = false
  /// Whether there was no room for all of the last send, inline or at once.
  @safe @exclusivity(unchecked) var isFull = false
  /// Whether its delegate is to be told when all completions of this turn are known.
  @safe @exclusivity(unchecked) var isToNotify = false
  /// Whether it is to be called at the end of the batch.
  @safe @exclusivity(unchecked) var isAwaitingSubmission = false

  init(_ descriptor: consuming OwnedDescriptor, driver: CompletionDriver) {
    self.rawDescriptor = descriptor.release().rawValue
    self.driver = driver
    slot = driver.insert(self)
  }

  var descriptor: FileDescriptor { FileDescriptor(rawValue: rawDescriptor) }

  func handle(_ completion: Ring.Completion, of operation: RingOperation) {
    if operation == .receive { endReceive(completion) } else { endSend(completion) }
    if isClosed { leaveIfDone() }
  }

  func notifyDelegate() {
    isToNotify = false
    tellOfRoom()
    if hasInput || receivesDirectly { tellOfInput() }
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

  /// The batch has ended: what was sent inline is done, and receives have a share again.
  func submissionDone() {
    isAwaitingSubmission = false
    guard !isClosed else {
      // Something else in this turn has sent, and closed it: that send is part of the next batch.
      if isSendingInline { return awaitSubmission() }
      closeDescriptor()
      return leaveIfDone()
    }
    if !isSending {
      send()
      tellOfRoom()
    }
    if hasInput || receivesDirectly { tellOfInput() }
  }

  // MARK: Closing

  /// The descriptor was closed elsewhere. Its number may be another file's soon, so it is used no more: every call fails from
  /// now on, and who waits is told.
  func abandon() {
    guard rawDescriptor != noDescriptor else { return }
    end = .failure(.badFileDescriptor)
    sendFailure = .badFileDescriptor
    // What is under way is the kernel's until it is complete.
    if !isSending { discard(outgoing.count) }
    driver.disown(descriptor)
    rawDescriptor = noDescriptor
    awaitSubmission()
  }

  /// What the kernel was lent is taken back when it has let go of it; only then is the channel forgotten.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    isAwaitingInput = false
    isAwaitingRoom = false
    delegate = nil
    giveBackReceived()
    if isReceiving { driver.cancel(.receive, of: slot) }
    if isSending { driver.cancel(.send, of: slot) } else { discard(outgoing.count) }
    // What goes with the next submission is to be sent, or found to be lost, first.
    if isSendingInline { awaitSubmission() } else { closeDescriptor() }
    leaveIfDone()
  }

  private func closeDescriptor() {
    guard rawDescriptor != noDescriptor else { return }
    driver.close(descriptor)
    rawDescriptor = noDescriptor
  }

  private func giveBackReceived() {
    while case .bytes(let buffer, _)? = received.popFirst() { unsafe driver.give(back: buffer) }
  }

  func leaveIfDone() {
    guard isClosed, !isReceiving, !isSending, !isAwaitingSubmission else { return }
    driver.remove(slot)
  }
}
