internal import SystemPackage

/// Readiness from io_uring's multishot polls, and from poll, called only for the descriptors that they point at.
///
/// A multishot poll completes with each wakeup of its file. That is both more and less than an event: the data written
/// may have been read since, a wakeup reports one direction only, some report priority data that isn't there, and what
/// stays ready causes no wakeup. So a completion makes a descriptor a candidate, and poll reports what it is ready for.
/// In level mode it is a candidate again in the next wait. Measured, that costs less than polls that complete once and
/// are made again.
///
/// A poll holds its file, even after the descriptor is closed. To unregister a descriptor, its poll is cancelled at
/// once.
struct IOUringPolls: ~Copyable {
  /// Room for the submissions between two waits; if there are more, they are submitted earlier.
  private static let entries = 256
  /// More than are ready at once in most turns. The kernel looks polls up for cancellation in a table that grows with
  /// this number.
  private static let completions = 4096
  /// A wait gathers at least this many completions, if there are any more; the others come first in the next wait.
  private static let batch = 1024
  /// How long to wait for the end of a cancelled poll, which the kernel reports at once: so that a kernel that didn't
  /// would cost time, but not block.
  private static let patience = Duration.seconds(1)
  /// The token of cancellations. They complete only if they fail, and then there is nothing to cancel.
  private static let noRequest = UInt64.max

  private var ring: Ring
  private var watches = PollWatches()
  private var entries = PollEntries()
  /// Why the kernel couldn't make the last poll that failed.
  private var failure: MultiplexError?

  init() throws(MultiplexError) {
    ring = try Self.makeRing()
  }

  /// The ring's own descriptor, which isn't polled. A number that was closed while it was registered may be this one's
  /// by now, and a ring that polls itself keeps itself, and all that it polls, open even after it is closed.
  var descriptor: Int32 { ring.fileDescriptor.rawValue }

  /// A single-issuer ring costs less: the kernel defers its work until that thread waits, so its polls are up to date
  /// in each wait. With a shared ring, a thread's polls are completed by that thread, which is interrupted for it, or,
  /// if it has ended, by a kernel thread some time later.
  private static func makeRing() throws(MultiplexError) -> Ring {
    try Ring(entries: entries, completions: completions, isSingleIssuer: true)
  }
}

// MARK: - Registering

extension IOUringPolls {
  /// Polls an open descriptor from the next wait on.
  mutating func add(_ fd: Int32) {
    watches.makeRoom(for: fd)
    watches.makeDue(fd)
  }

  /// Polls a descriptor for something else, with a new poll. The old one isn't updated, as it may be of a file that the
  /// number referred to before.
  mutating func replace(_ fd: Int32) throws(MultiplexError) {
    try disarm(fd)
    watches.makeDue(fd)
  }

  /// Stops polling a descriptor. The kernel has released its file when this returns.
  mutating func remove(_ fd: Int32) {
    do {
      if watches[fd].phase == .armed {
        try cancel(fd)
      } else if ring.preparedCount > 0 {
        // The cancellation of an earlier poll of this descriptor may be among the prepared submissions.
        try enter(waitingFor: 0, timeout: .zero)
        try gather()
      }
      watches[fd].phase = .idle
    } catch {
      watches[fd].phase = .idle
      // The ring belongs to another thread, or the kernel is short of memory. Closing the ring releases the file too.
      try? startOver()
    }
  }

  /// Cancels all polls, so that files that are closed later are released at once: the kernel takes its time to end a
  /// ring.
  mutating func cancelAll() {
    // The parent's polls go on, and its queue stays as it is.
    guard !ring.isInherited else { return }
    guard watches.hasArmed else { return }
    do {
      try prepare(.cancelAll(token: Self.noRequest))
      try enter(waitingFor: 0, timeout: .zero)
      for fd in watches.descriptors { try awaitEnd(of: fd) }
    } catch {
      // The ring belongs to another thread. Closing it releases the files too, within some ten milliseconds.
    }
  }
}

// MARK: - Polls

extension IOUringPolls {
  /// Prepares the polls that are due.
  private mutating func arm(_ registry: Registry) throws(MultiplexError) {
    while let fd = watches.lastDue {
      if watches[fd].phase == .due, let registration = registry[fd], registration.state == .armed, fd != descriptor {
        let token = watches.makeToken(fd)
        try prepare(.poll(of: registration, token: token))
        watches[fd].phase = .armed
        // A poll completes at once if its descriptor is ready. Checked before that is known, it would yield two edges.
        if registration.mode == .edge { watches[fd].isCandidate = false }
      }
      watches.removeLastDue()
    }
  }

  /// Cancels a descriptor's poll, if the kernel has it, with the next submission.
  private mutating func disarm(_ fd: Int32) throws(MultiplexError) {
    if watches[fd].phase == .armed {
      do {
        try prepare(.cancel(watches[fd].token(fd), token: Self.noRequest).skippingSuccess())
      } catch let error where error.errno == .fileExists {
        try startOver()
      }
    }
    watches[fd].phase = .idle
  }

  /// Cancels a poll at once: the kernel has released its file when this returns.
  private mutating func cancel(_ fd: Int32) throws(MultiplexError) {
    try prepare(.cancel(watches[fd].token(fd), token: Self.noRequest).skippingSuccess())
    try enter(waitingFor: 0, timeout: .zero)
    try awaitEnd(of: fd)
  }

  /// Waits until a poll that was cancelled, if there is one, has completed for the last time. The kernel does its
  /// deferred work some at a time, so others may come first.
  private mutating func awaitEnd(of fd: Int32) throws(MultiplexError) {
    takeCompletions()
    while watches[fd].phase == .armed {
      try enter(waitingFor: 1, timeout: Self.patience)
      guard takeCompletions() > 0 else { return try startOver() }
    }
  }

  private mutating func prepare(_ submission: Ring.Submission) throws(MultiplexError) {
    while true {
      do {
        try ring.prepare(submission)
        return
      } catch let error where error.errno == .resourceBusy && ring.completionCount > 0 {
        takeCompletions()
      }
    }
  }

  /// Replaces a ring that belongs to another thread by one for this thread, and makes all polls again.
  ///
  /// In edge mode, what is ready then counts as new.
  private mutating func startOver() throws(MultiplexError) {
    ring = try Self.makeRing()
    watches.makeAllDue()
  }
}

extension Ring.Submission {
  /// In one-shot mode a poll that ends by itself saves a cancellation. But each poll also completes when the peer has
  /// finished sending: for registrations that don't read, that would be one poll after another.
  fileprivate static func poll(of registration: Registration, token: UInt64) -> Self {
    let interest = registration.interest
    return poll(
      FileDescriptor(rawValue: registration.descriptor), for: EpollEvents(wakingFor: interest),
      isMultishot: registration.mode != .oneShot || !interest.contains(.read), token: token)
  }
}

extension Ring.Completion {
  /// Why a poll has failed; nil if it hasn't. Debug builds let a `FaultPlan` answer in the kernel's place.
  fileprivate var pollFailure: Errno? {
    #if MULTIPLEX_FAULTS
      do {
        try FaultPlan.current?.check(.io_uring_poll)
      } catch {
        return error
      }
    #endif
    return errno
  }
}

// MARK: - Waiting

extension IOUringPolls {
  /// Waits as a ``ReadinessBackend`` does.
  mutating func wait(timeout: Duration?, registry: inout Registry) throws(MultiplexError) {
    failure = nil
    // Each poll that failed is tried once in a wait.
    watches.retryFailed()
    do {
      try find(timeout, &registry)
    } catch let error where error.errno == .fileExists {
      try startOver()
      try find(timeout, &registry)
    }
    if ring.hasPendingWork { registry.reportLimit = Self.batch }
    // A descriptor that can't be watched doesn't keep the events of others from being reported.
    if let failure, !registry.hasFound { throw failure }
  }

  private mutating func find(_ timeout: Duration?, _ registry: inout Registry) throws(MultiplexError) {
    if !watches.candidates.isEmpty || timeout == .zero {
      try arm(registry)
      if ring.preparedCount > 0 || ring.hasPendingWork { try enter(waitingFor: 0, timeout: .zero) }
      try gather()
      try look(&registry)
      if timeout == .zero, !registry.hasFound { try lookBehindWork(&registry) }
      if registry.hasFound || timeout == .zero || failure != nil { return }
    }
    try arm(registry)
    try enter(waitingFor: 1, timeout: timeout)
    try gather()
    try look(&registry)
  }

  /// Looks again after the kernel has done more work, if there is any: what it did so far may have come to nothing, as
  /// the work of polls whose data was read in the meantime does.
  private mutating func lookBehindWork(_ registry: inout Registry) throws(MultiplexError) {
    guard ring.hasPendingWork else { return }
    // It does as much at a time as is waited for: then there has to be some time.
    try enter(waitingFor: Self.batch, timeout: .microseconds(10))
    try gather()
    try look(&registry)
  }

  /// Submits and waits. It is no error if there is no room for more completions, as long as some can be taken.
  private mutating func enter(waitingFor count: Int, timeout: Duration?) throws(MultiplexError) {
    do {
      try ring.submitAndWait(for: count, timeout: timeout)
    } catch let error where error.errno == .resourceBusy && ring.completionCount > 0 {
      return
    }
  }

  /// Takes the available completions, and those for which the kernel still has to work: it does so for some at a time.
  private mutating func gather() throws(MultiplexError) {
    var count = takeCompletions()
    while count < Self.batch {
      let more = try advance()
      guard more > 0 else { break }
      count += more
    }
  }

  /// Lets the kernel do work that it has deferred, and takes the resulting completions.
  ///
  /// There may be none: another thread that wakes a poll sets the flag after it has handed the work over, and the
  /// kernel may have done it by then. Only the next work clears the flag, so it is never waited for.
  ///
  /// - Returns: How many completions there were.
  private mutating func advance() throws(MultiplexError) -> Int {
    guard ring.hasPendingWork else { return 0 }
    try enter(waitingFor: 0, timeout: .zero)
    return takeCompletions()
  }

  /// - Returns: How many there were.
  @discardableResult
  private mutating func takeCompletions() -> Int {
    var count = 0
    while let completion = ring.nextCompletion() {
      count += 1
      guard let fd = watches.armedDescriptor(for: completion.token) else { continue }
      let errno = completion.pollFailure
      if errno == .invalidArgument {
        // A file that wakes nobody, as /dev/null, and isn't ready for this: it never will be.
        watches[fd].phase = .idle
        continue
      }
      if let failure = failure(of: fd, errno) {
        self.failure = failure
        watches.fail(fd)
        continue
      }
      if !completion.hasMore { watches.end(fd) }
      if completion.foundPriority { watches.prioritize(fd) }
      watches.addCandidate(fd)
    }
    return count
  }

  /// Why a poll couldn't be made, for the wait to throw. A closed descriptor becomes a candidate instead, and is found
  /// to be invalid.
  private func failure(of fd: Int32, _ errno: Errno?) -> MultiplexError? {
    guard let errno, errno != .badFileDescriptor, errno != .canceled else { return nil }
    return MultiplexError(call: "io_uring_enter", descriptor: FileDescriptor(rawValue: fd), errno: errno)
  }

  /// Reports what the candidates are ready for, and handles the polls that are due or useless as a result.
  private mutating func look(_ registry: inout Registry) throws(MultiplexError) {
    try renewEdges(registry)
    let count = try checkCandidates(registry)
    for fd in report(count, to: &registry) { try disarm(fd) }
    watches.renewEnded { fd in registry[fd]?.state == .armed }
  }

  /// Calls poll for the candidates, which are none afterwards.
  ///
  /// - Returns: How many of the entries are ready.
  private mutating func checkCandidates(_ registry: Registry) throws(MultiplexError) -> Int {
    entries.removeAll()
    for fd in watches.candidates where watches[fd].isCandidate && fd != descriptor {
      guard let registration = registry[fd], registration.state == .armed else { continue }
      entries.append(fd, for: PollEvents(registration.interest))
    }
    var count = try countReady()
    if !watches.prioritized.isEmpty { count += entries.addFound(.priority, where: watches.prioritized.contains) }
    watches.removeCandidates()
    return count
  }

  private mutating func countReady() throws(MultiplexError) -> Int {
    guard entries.count > 0 else { return 0 }
    return try calling("poll", entries.look())
  }

  /// Reports poll's results. What is ready in level mode is checked again in the next wait.
  ///
  /// - Returns: The descriptors that aren't to be reported again.
  private mutating func report(_ count: Int, to registry: inout Registry) -> [Int32] {
    var silenced: [Int32] = []
    // Taken out, as nothing else could be changed while it is visited.
    var entries = PollEntries()
    swap(&entries, &self.entries)
    entries.forEachReady(count) { fd, events in
      if registry.report(fd, Readiness(events)) != .watchOn {
        silenced.append(fd)
      } else if registry[fd]?.mode == .level {
        watches.addCandidate(fd)
      }
    }
    swap(&entries, &self.entries)
    return silenced
  }

  /// Renews ended polls of edge mode before their descriptors are checked. A poll completes at once if its descriptor
  /// is ready, and afterwards that would be one edge too many.
  private mutating func renewEdges(_ registry: Registry) throws(MultiplexError) {
    let edges = watches.ended.filter { watches[$0].phase == .ended && registry[$0]?.mode == .edge }
    guard !edges.isEmpty else { return }
    for fd in edges { watches.makeDue(fd) }
    try arm(registry)
    try enter(waitingFor: 0, timeout: .zero)
    try gather()
  }
}
