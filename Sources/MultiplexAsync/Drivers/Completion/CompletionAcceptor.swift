internal import Multiplex
internal import SystemPackage

/// A listening socket on a completion driver, which owns the descriptor.
final class CompletionAcceptor: Acceptor, CompletionHandler, DeferredNotifier {
  /// How many connections may be accepted before anybody takes them. Further ones have to wait in the kernel.
  private static let acceptAhead = 64

  private let socket: Socket
  private unowned let driver: CompletionDriver
  private var slot: HandlerTable.Slot = 0
  private var isClosed = false

  private var accepted: [AcceptedSocket] = []
  /// Why the kernel has stopped accepting.
  private var failure: MultiplexError?
  private var accepting = MultishotState.idle
  private var acceptsOnlyOne = false
  /// Whether it waits for a connection before it accepts one: the kernel needs a descriptor for that, and there is none.
  private var watchesQueue = false
  var delegate: (any AcceptorDelegate)?
  private var isAwaited = false

  init(_ descriptor: consuming OwnedDescriptor, driver: CompletionDriver) {
    socket = Socket(adopting: descriptor)
    self.driver = driver
    slot = driver.insert(self)
  }

  var rawDescriptor: Int32 { descriptor.rawValue }
  var descriptor: FileDescriptor { socket.fileDescriptor }

  func acceptNow() throws(MultiplexError) -> AcceptedSocket? {
    if let next = takeAccepted() { return next }
    guard let failure else { return nil }
    self.failure = nil
    throw failure
  }

  /// The ring may have accepted more than is known yet.
  func stopAccepting() {
    cancelWait()
    driver.awaitEnd { [self] in accepting.isActive }
  }

  func takeAccepted() -> AcceptedSocket? { accepted.isEmpty ? nil : accepted.removeFirst() }

  func acceptPending() throws(MultiplexError) -> AcceptedSocket? { try socket.acceptDescriptor() }

  func awaitConnection(onlyOne: Bool) {
    isAwaited = true
    // An earlier accept may take more connections than there is room for now.
    if onlyOne, !acceptsOnlyOne { pause() }
    acceptsOnlyOne = onlyOne
    resumeAccepting()
  }

  func cancelWait() {
    isAwaited = false
    // Further connections are for others who accept from the socket, in this process or elsewhere.
    pause()
  }

  private func resumeAccepting() {
    guard isAwaited, !accepting.isActive, !isClosed else { return }
    accepting = .running
    let token = RingOperation.accept.token(of: slot)
    driver.start(
      watchesQueue
        ? .poll(descriptor, for: .in, isMultishot: false, token: token)
        : .accept(on: descriptor, isMultishot: !acceptsOnlyOne, token: token))
  }

  func handle(_ completion: Ring.Completion, of operation: RingOperation) {
    accepting.complete(hasMore: completion.hasMore)
    if watchesQueue { watchesQueue = false } else { take(completion) }
    guard !isClosed else { return leaveIfDone() }
    if accepted.isEmpty, failure == nil { return resumeAccepting() }
    guard isAwaited else { return }
    isAwaited = false
    driver.notifyLater(self)
  }

  func notifyDelegate() {
    delegate?.acceptorHasConnection()
  }

  private func take(_ completion: Ring.Completion) {
    switch completion.errno {
    case nil:
      let descriptor = FileDescriptor(rawValue: completion.result)
      // Nobody wants this connection any more.
      guard !isClosed else { return close(descriptor) }
      accepted.append(AcceptedSocket(descriptor))
      if accepted.count >= Self.acceptAhead { pause() }
    // Accepting was paused.
    case .canceled?: break
    case let errno? where errno.isTransientAcceptError: break
    // The kernel takes a descriptor before it looks for a connection.
    case let errno? where errno.isOpenFileLimit && !socket.hasWaitingConnection: watchesQueue = true
    case let errno?: failure = MultiplexError(call: "accept4", descriptor: socket.fileDescriptor, errno: errno)
    }
  }

  private func pause() {
    if accepting.pause() { driver.cancel(.accept, of: slot) }
  }

  func close() {
    guard !isClosed else { return }
    isClosed = true
    isAwaited = false
    delegate = nil
    for connection in accepted { close(connection.descriptor) }
    accepted = []
    pause()
    // Closed by the ring, in order: an accept submitted before must not find another file under this number.
    if let descriptor = try? socket.take().release() { driver.close(descriptor) }
    leaveIfDone()
  }

  /// Closes a descriptor that was accepted but not taken.
  private func close(_ descriptor: FileDescriptor) {
    _ = OwnedDescriptor(adopting: descriptor)
  }

  private func leaveIfDone() {
    guard isClosed, !accepting.isActive else { return }
    driver.remove(slot)
  }
}
