internal import CMultiplex
public import SystemPackage

/// An io_uring instance: operations are prepared in a queue, submitted to the kernel many at a time, and come back as
/// completions, in any order.
///
///     var ring = try Ring()
///     try ring.prepare(.poll(socket.fileDescriptor, for: .in, token: 7))
///     try ring.submitAndWait()
///     while let completion = ring.nextCompletion() { ... }
///
/// It has operations for sockets (accept, connect, receive, send, shut down), for files, pipes and terminals (read, write,
/// synchronize), for every descriptor (poll, close), and to cancel others: see ``Submission``. It has none that opens a file
/// or makes a socket, and none for folders.
///
/// A ring is the lowest level: what an operation works on (descriptors, memory) has to stay until its completion has come.
/// ``Poller`` and the reactor of `MultiplexAsync` take care of that. Needs Linux 5.19.
///
/// A ring is used by one thread at a time. Closing it, which happens where the value ends, cancels what is under way. A forked
/// child must not use its parent's ring, whose queues belong to both; that the value ends there changes nothing for the parent.
///
/// Corresponding C functions: `io_uring_setup`, `io_uring_enter`, `io_uring_register`.
@safe
public struct Ring: ~Copyable, Selectable {
  /// What the kernel's rings are able to do.
  public let features: Features
  /// How many submissions there is room for.
  public var capacity: Int { Int(submissions.capacity) }

  let descriptor: OwnedDescriptor
  /// The memory of the queues. It outlives them, as both end with the ring.
  private let memory: RingMemory
  private var submissions: SubmissionQueue
  private let completions: CompletionQueue
  /// Where the kernel puts what it receives: kept until it can do that no more.
  var groups: ContiguousArray<BufferGroup> = []
  /// Whether the ring belongs to the thread that first submits.
  private let isSingleIssuer: Bool
  private var issuer: UInt?
  /// The process that the ring belongs to.
  private var owner = Kernel.currentProcess

  /// Makes a ring.
  ///
  /// - Parameters:
  ///   - entries: How many submissions there is to be room for, 1 to 32,768; rounded up to a power of two.
  ///   - completions: Room for completions, twice as many unless given. More are kept by the kernel until there is room.
  ///   - isSingleIssuer: One thread alone uses the ring: the one that first submits; others are refused (`EEXIST`). Cheaper
  ///     from Linux 6.1 on, as the kernel then does its part of the work when that thread asks for it, and not before
  ///     (`IORING_SETUP_SINGLE_ISSUER`, `IORING_SETUP_DEFER_TASKRUN`).
  /// - Throws: ``MultiplexError/Reason/openFileLimit``; ``MultiplexError/Reason/invalidArgument``; `ENOSYS`, `EPERM` where
  ///   the kernel has no io_uring or forbids it; `ENOMEM`.
  public init(entries: Int = 128, completions: Int? = nil, isSingleIssuer: Bool = false) throws(MultiplexError) {
    guard (1...32_768).contains(entries) else {
      throw .outOfRange("entries \(entries)", for: "io_uring_setup", advice: "a ring has 1 to 32,768 entries")
    }
    guard completions.map({ (entries...65_536).contains($0) }) ?? true else {
      throw .outOfRange(
        "completions \(completions ?? 0)", for: "io_uring_setup",
        advice: "a ring has room for no fewer completions than entries, and for 65,536 at most")
    }
    var parameters = cmx_ring_params()
    let descriptor = try RingSetup.perform(
      entries: UInt32(entries), completions: completions.map { UInt32(clamping: $0) }, isSingleIssuer: isSingleIssuer,
      &parameters)
    let features = Ring.Features(parameters, RingSetup.operations(of: descriptor.rawDescriptor))
    try features.check()
    let memory = try RingMemory(of: descriptor.rawDescriptor, parameters)
    self.isSingleIssuer = RingSetup.hasSingleIssuer(parameters)
    self.features = features
    self.submissions = memory.submissions
    self.completions = memory.completions
    self.memory = consume memory
    self.descriptor = consume descriptor
  }

  deinit {
    // The kernel may hold the ring for longer than this value lives: a forked child has it too, until it calls exec. It
    // mustn't receive into memory that is somebody else's by then. In the child itself, the groups are the parent's.
    guard !isInherited else { return }
    cancelAll()
    for group in groups { group.unregister(from: self) }
  }

  /// Cancels what is under way, before it works on memory that is somebody else's by then: closing the ring does that some time
  /// later, or not at all while a child has it.
  private func cancelAll() {
    var cancellation = cmx_sync_cancellation()
    cancellation.fd = -1
    cancellation.flags = cmx_ASYNC_CANCEL_ANY | cmx_ASYNC_CANCEL_ALL
    // Fails before Linux 6.0, and on another thread than a single issuer's, whose work nobody does any more.
    try? unsafe register(cmx_REGISTER_SYNC_CANCEL, &cancellation, 1)
  }

  /// Whether this process is a forked child of the one that uses the ring: what it does to it, it does to its parent's.
  var isInherited: Bool { owner != Kernel.currentProcess }

  /// The ring's own descriptor, which is readable while there are completions.
  public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }
}

// MARK: - Submitting

extension Ring {
  /// Puts an operation into the queue. The kernel sees it with the next submission.
  ///
  /// Where the queue is full, what is in it is submitted first.
  ///
  /// - Throws: As ``submit()`` does; the operation isn't in the queue then.
  public mutating func prepare(_ submission: Submission) throws(MultiplexError) {
    guard !submissions.append(submission) else { return }
    try submit()
    guard submissions.append(submission) else {
      throw MultiplexError(call: "io_uring_enter", descriptor: fileDescriptor, errno: .tryAgain)
    }
  }

  /// How many operations were prepared that the kernel hasn't taken.
  public var preparedCount: Int { Int(submissions.count) }

  /// Hands all prepared operations to the kernel, without waiting.
  ///
  /// - Returns: How many it has taken; the others stay in the queue.
  /// - Throws: `EBUSY` while more completions are waiting than there is room for: take them, and submit again. `EAGAIN`,
  ///   `ENOMEM` where the kernel is short of memory. `EEXIST` on another thread than a single issuer's.
  @discardableResult
  public mutating func submit() throws(MultiplexError) -> Int {
    try submitAndWait(for: 0, timeout: .zero)
  }

  /// Hands all prepared operations to the kernel, and waits for completions, in one call.
  ///
  /// An interruption by a signal doesn't end the wait, nor does it begin anew.
  ///
  /// - Parameters:
  ///   - count: How many completions to wait for; those that are there already count. No more than there is room for.
  ///   - timeout: How long to wait at most; nil waits without limit.
  /// - Returns: How many operations the kernel has taken.
  /// - Throws: As ``submit()`` does.
  @discardableResult
  public mutating func submitAndWait(for count: Int = 1, timeout: Duration? = nil) throws(MultiplexError) -> Int {
    try takePossession()
    let wanted = min(UInt32(clamping: count), completions.capacity)
    let deadline = Deadline(after: timeout)
    var taken = 0
    while true {
      let remaining = deadline.remaining
      do {
        taken += try enter(waitingFor: wanted, remaining)
      } catch .interrupted {
        continue
      } catch .timeout {
        return taken
      } catch {
        // What was taken is under way. What keeps the kernel from taking the others comes back with the next submission.
        if taken > 0 { return taken }
        throw MultiplexError(call: "io_uring_enter", descriptor: fileDescriptor, errno: error)
      }
      // A call that has submitted something says so, and nothing of the wait: that it was interrupted, say, or that it
      // didn't come to that, as there is more to submit.
      guard submissions.count == 0, remaining == .zero || completions.count >= wanted else { continue }
      return taken
    }
  }

  /// - Parameter timeout: nil waits without limit.
  private func enter(waitingFor count: UInt32, _ timeout: Duration?) throws(Errno) -> Int {
    let submitted = submissions.publish()
    let fd = descriptor.rawDescriptor
    guard let timeout, count > 0 else {
      return Int(try Kernel.ringEnter(fd, submitting: submitted, waitingFor: count))
    }
    // A wait that is over is none.
    guard timeout > .zero else { return Int(try Kernel.ringEnter(fd, submitting: submitted, waitingFor: 0)) }
    return Int(
      try Kernel.ringEnter(fd, submitting: submitted, waitingFor: count, Timeout.timespec(timeout)))
  }

  /// Enables a ring that waits for its issuer.
  private mutating func takePossession() throws(MultiplexError) {
    guard isSingleIssuer else { return }
    let thread = Kernel.currentThread
    if issuer == thread { return }
    guard issuer == nil else {
      throw MultiplexError(call: "io_uring_enter", descriptor: fileDescriptor, errno: .fileExists)
    }
    try unsafe register(cmx_REGISTER_ENABLE_RINGS, nil, 0)
    issuer = thread
    owner = Kernel.currentProcess
  }

  func register(
    _ operation: UInt32, _ argument: UnsafeMutableRawPointer?, _ count: UInt32
  ) throws(MultiplexError) {
    do {
      _ = try unsafe Kernel.ringRegister(descriptor.rawDescriptor, operation, argument, count)
    } catch {
      throw MultiplexError(call: "io_uring_register", descriptor: fileDescriptor, errno: error)
    }
  }
}

// MARK: - Completions

extension Ring {
  /// Takes the next completion, without waiting; nil if there is none.
  public func nextCompletion() -> Completion? {
    guard let completion = completions.next() else { return nil }
    if let buffer = completion.buffer { for group in groups { group.reclaim(buffer) } }
    return completion
  }

  /// Whether one of the completions that can be taken has a token.
  package func hasCompletion(of token: UInt64) -> Bool { completions.contains(token) }

  /// How many completions can be taken without waiting.
  public var completionCount: Int { Int(completions.count) }

  /// Whether there will be more once the kernel is entered, which ``submit()`` does: there was no room for all, or the
  /// kernel has put off its work for the ring's single issuer. Costs no system call.
  ///
  /// A hint: it may stay true though the work has been done, until there is more. Don't loop until it is false.
  public var hasPendingWork: Bool { memory.hasPendingWork }

  /// Whether completions wait in the kernel because there was no room for them. Costs no system call.
  public var isOverflowing: Bool { memory.isOverflowing }
}
