internal import CMultiplex
public import SystemPackage

/// An io_uring instance: operations are prepared in a queue, submitted to the kernel in batches, and yield completions,
/// in any order.
///
///     var ring = try Ring()
///     try ring.prepare(.poll(socket.fileDescriptor, for: .in, token: 7))
///     try ring.submitAndWait()
///     while let completion = ring.nextCompletion() { ... }
///
/// It has operations for sockets (accept, connect, receive, send, shut down), for files, pipes and terminals (read,
/// write, synchronize), for every descriptor (poll, close), and for cancelling others: see ``Submission``, which also
/// makes any other operation of the kernel's, from its fields.
///
/// A ring is the lowest level: the descriptors and the memory that an operation uses must stay valid until it has
/// completed. ``Poller`` and the reactor of `MultiplexAsync` take care of that. Needs Linux 5.19.
///
/// A ring is used by one thread at a time. It is closed when the value ends, which cancels the operations in progress,
/// but doesn't wait for those that can't be stopped, such as a read from a file: see ``cancelAllAndWait()``. A forked
/// child must not use its parent's ring, as they share the queues; the end of the value in the child doesn't affect the
/// parent.
///
/// Corresponding C functions: `io_uring_setup`, `io_uring_enter`, `io_uring_register`.
@safe
public struct Ring: ~Copyable, Selectable {
  /// What the ring can do.
  public let features: Features
  /// How many submissions the queue can hold.
  public var capacity: Int { Int(submissions.capacity) }

  let descriptor: OwnedDescriptor
  /// The memory of the queues. It outlives them, as all of them end with the ring.
  private let memory: RingMemory
  private var submissions: SubmissionQueue
  private let completions: CompletionQueue
  /// The buffers that the kernel receives into, kept until it no longer can.
  var groups: ContiguousArray<BufferGroup> = []
  /// Whether the ring belongs to the thread that first submits.
  private let isSingleIssuer: Bool
  /// Whether there were operations that complete without a completion.
  private(set) var skipsCompletions = false
  private var issuer: UInt?
  /// The process that the ring belongs to.
  private var owner = Kernel.currentProcess

  /// Makes a ring.
  ///
  /// - Parameters:
  ///   - entries: Room for submissions, 1 to 32,768; rounded up to a power of two.
  ///   - completions: Room for completions, `entries` to 65,536; twice `entries` by default. The kernel keeps further
  ///     ones until there is room.
  ///   - isSingleIssuer: Only one thread uses the ring: the one that first submits; others are refused (`EEXIST`).
  ///     Cheaper from Linux 6.1 on, as the kernel then does its part of the work only when that thread enters it
  ///     (`IORING_SETUP_SINGLE_ISSUER`, `IORING_SETUP_DEFER_TASKRUN`).
  /// - Throws: ``MultiplexError/Reason/openFileLimit``; ``MultiplexError/Reason/invalidArgument``; `ENOSYS` or `EPERM`
  ///   if the kernel has no io_uring or forbids it; `ENOMEM`.
  public init(entries: Int = 128, completions: Int? = nil, isSingleIssuer: Bool = false) throws(MultiplexError) {
    guard (1...32_768).contains(entries) else {
      throw .outOfRange("entries \(entries)", for: "io_uring_setup", advice: "a ring can have 1 to 32,768 entries")
    }
    guard completions.map({ (entries...65_536).contains($0) }) ?? true else {
      throw .outOfRange(
        "completions \(completions ?? 0)", for: "io_uring_setup",
        advice: "completions must be from `entries` to 65,536")
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
    // The kernel may keep the ring open for longer than this value lives: a forked child has it too, until it calls
    // exec. It must not receive into memory that has been reused by then. In the child itself, the groups are the
    // parent's.
    guard !isInherited else { return }
    cancelAll()
    for group in groups { group.unregister(from: self) }
  }

  /// Cancels the operations in progress before their memory can be reused: closing the ring does that some time later,
  /// or not at all while a child has it open.
  private func cancelAll() {
    var cancellation = cmx_sync_cancellation()
    cancellation.fd = -1
    cancellation.flags = cmx_ASYNC_CANCEL_ANY | cmx_ASYNC_CANCEL_ALL
    // Fails before Linux 6.0, and on a thread other than a single issuer's, whose deferred work nobody does now.
    try? unsafe register(cmx_REGISTER_SYNC_CANCEL, &cancellation, 1)
  }

  /// Whether this process is a forked child of the one that uses the ring, and so would change its parent's ring.
  var isInherited: Bool { owner != Kernel.currentProcess }

  /// The ring's own descriptor, which is readable while there are completions.
  public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }
}

// MARK: - Submitting

extension Ring {
  /// Puts an operation into the queue. The kernel sees it with the next submission.
  ///
  /// If the queue is full, its operations are submitted first.
  ///
  /// - Throws: As ``submit()`` does; then the operation isn't in the queue.
  public mutating func prepare(_ submission: Submission) throws(MultiplexError) {
    if submission.skipsCompletion { skipsCompletions = true }
    guard !submissions.append(submission) else { return }
    try submit()
    guard submissions.append(submission) else {
      throw MultiplexError(call: "io_uring_enter", descriptor: fileDescriptor, errno: .tryAgain)
    }
  }

  /// Puts operations into the queue that have to be submitted together, as linked ones do: see
  /// ``Submission/linkedToNext()``. If there isn't room for all, what was prepared before is submitted first.
  ///
  /// - Throws: As ``submit()`` does, and ``MultiplexError/Reason/invalidArgument`` for more operations than the queue
  ///   can hold; then none of them is in the queue.
  public mutating func prepare(together operations: [Submission]) throws(MultiplexError) {
    guard operations.count <= capacity else {
      throw .outOfRange(
        "\(operations.count) operations", for: "io_uring_enter", advice: "make a ring with more entries")
    }
    while capacity - preparedCount < operations.count {
      guard try submit() > 0 else {
        throw MultiplexError(call: "io_uring_enter", descriptor: fileDescriptor, errno: .tryAgain)
      }
    }
    for operation in operations { try prepare(operation) }
  }

  /// How many prepared operations the kernel hasn't taken yet.
  public var preparedCount: Int { Int(submissions.count) }

  /// Submits all prepared operations to the kernel, without waiting.
  ///
  /// - Returns: How many it has taken; the others stay in the queue.
  /// - Throws: `EBUSY`, on some kernels, while more completions are waiting than there is room for: take them, and
  ///   submit again. `EAGAIN` or `ENOMEM` if the kernel is short of memory. `EEXIST` on a thread other than a single
  ///   issuer's.
  @discardableResult
  public mutating func submit() throws(MultiplexError) -> Int {
    try submitAndWait(for: 0, timeout: .zero)
  }

  /// Submits all prepared operations to the kernel, and waits for completions, in one call.
  ///
  /// An interruption by a signal doesn't end the wait: it continues with the time left.
  ///
  /// - Parameters:
  ///   - count: How many completions to wait for, including those that are already there; at most as many as there is
  ///     room for.
  ///   - timeout: How long to wait at most; nil waits without limit, zero or less doesn't wait.
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
        // Some operations were taken. If the error persists, the next submission reports it.
        if taken > 0 { return taken }
        throw MultiplexError(call: "io_uring_enter", descriptor: fileDescriptor, errno: error)
      }
      // A call that has submitted something reports only that, and nothing about the wait: it may have been
      // interrupted, or not have begun because there is more to submit.
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
    // No time is left to wait.
    guard timeout > .zero else { return Int(try Kernel.ringEnter(fd, submitting: submitted, waitingFor: 0)) }
    return Int(
      try Kernel.ringEnter(fd, submitting: submitted, waitingFor: count, Timeout.timespec(timeout)))
  }

  /// Enables a ring that is disabled until its issuer first submits.
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
    _ = try calling(
      "io_uring_register", on: fileDescriptor,
      unsafe Kernel.ringRegister(descriptor.rawDescriptor, operation, argument, count))
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

  /// Whether a completion with this token can be taken.
  package func hasCompletion(of token: UInt64) -> Bool { completions.contains(token) }

  /// How many completions can be taken without waiting.
  public var completionCount: Int { Int(completions.count) }

  /// Whether there will be more completions once the kernel is entered, which ``submit()`` does: there was no room for
  /// all, or the kernel has deferred its work for the ring's single issuer. Costs no system call.
  ///
  /// A hint: it may stay true after the work has been done, until there is more. Don't loop until it is false.
  public var hasPendingWork: Bool { memory.hasPendingWork }

  /// Whether completions are waiting in the kernel because there was no room for them. Costs no system call.
  public var isOverflowing: Bool { memory.isOverflowing }
}
