internal import SystemPackage

/// Readiness from io_uring's multishot polls, and from poll, asked about those descriptors alone that they point at.
///
/// A multishot poll completes with each wakeup of its file. That is more than an event, and less: what was written may
/// have been read since, one wakeup tells of one direction, some tell of priority data that aren't there, and what stays
/// ready wakes nobody. So a completion makes a descriptor a suspect, and poll says what it is ready for. In level mode it
/// is a suspect again in the next wait. Measured, that costs less than polls that complete once and are made anew.
///
/// A poll holds its file, also after the descriptor is closed. To be forgotten, a descriptor's poll is cancelled at once.
struct IOUringPolls: ~Copyable {
  /// Room for the submissions between two waits; where there are more, they are submitted earlier.
  private static let entries = 256
  /// More than are ready at once in most turns. The kernel finds a poll to cancel in a table that grows with this number.
  private static let completions = 4096
  /// So many completions a wait gathers at least, if there are as many; the others come first in the next.
  private static let batch = 1024
  /// The token of cancellations, which say nothing unless they fail: then there is nothing to cancel.
  private static let noRequest = UInt64.max

  private var ring: Ring

  /// By descriptor.
  private var watches: ContiguousArray<Watch> = []
  /// Numbers the polls, so that a completion of an earlier one is told apart.
  private var lastRequest: UInt32 = 0
  /// Descriptors whose polls are to be made with the next wait. Some may not be due any more.
  private var due: [Int32] = []
  /// Descriptors whose polls have ended. Some may have begun anew.
  private var ended: [Int32] = []
  /// Descriptors to look at. Some may not be suspects any more.
  private var suspects: [Int32] = []
  private var entries = PollEntries()
  /// Descriptors whose polls the kernel couldn't make; they are made with the next wait, unless they are due no more.
  private var failed: [Int32] = []
  /// Why it couldn't make the last of them.
  private var failure: MultiplexError?

  /// What is known of a descriptor's poll.
  private struct Watch {
    enum Phase {
      /// There is none.
      case idle
      /// It is to be made.
      case due
      /// The kernel has it.
      case armed
      /// It was completed for the last time.
      case ended
      /// It couldn't be made.
      case failed
    }

    var request: UInt32 = 0
    var phase = Phase.idle
    var isSuspect = false
    /// Whether it is among ``IOUringPolls/suspects``.
    var isListed = false

    /// Names the poll, in submissions and completions.
    func token(_ fd: Int32) -> UInt64 { UInt64(request) << 32 | UInt64(UInt32(bitPattern: fd)) }
  }

  init() throws(MultiplexError) {
    ring = try Self.makeRing()
  }

  /// The ring's own descriptor, which isn't polled: a number that was closed while it was registered may be this one's by now,
  /// and a ring that polls itself holds itself, and all that it polls, also when it is closed.
  var descriptor: Int32 { ring.fileDescriptor.rawValue }

  /// The ring of one thread costs less: the kernel puts off its work until that thread waits. So its polls are up to date
  /// in each wait. With a ring for all, what the polls of a thread have to tell is told by that thread, which is interrupted
  /// for it, or by a kernel thread some time later, if it has ended.
  private static func makeRing() throws(MultiplexError) -> Ring {
    try Ring(entries: entries, completions: completions, isSingleIssuer: true)
  }
}

// MARK: - Registering

extension IOUringPolls {
  /// Polls an open descriptor from the next wait on.
  mutating func add(_ fd: Int32) {
    let missing = Int(fd) + 1 - watches.count
    if missing > 0 { watches.append(contentsOf: repeatElement(Watch(), count: max(missing, watches.count))) }
    makeDue(fd)
  }

  /// Polls a descriptor anew, for something else. The poll isn't updated, as it may be of a file that the number stood for
  /// before.
  mutating func replace(_ fd: Int32) throws(MultiplexError) {
    try disarm(fd)
    makeDue(fd)
  }

  /// Polls a descriptor no more. The kernel has let go of its file afterwards.
  mutating func remove(_ fd: Int32) {
    do {
      if watches[Int(fd)].phase == .armed {
        try cancel(fd)
      } else if ring.preparedCount > 0 {
        // Among it may be the cancellation of an earlier poll of this descriptor.
        try enter(waitingFor: 0, timeout: .zero)
        try gather()
      }
      watches[Int(fd)].phase = .idle
    } catch {
      watches[Int(fd)].phase = .idle
      // The ring belongs to another thread, or the kernel is short of memory. Its end, too, lets go of the file.
      try? startOver()
    }
  }

  /// Cancels all polls, so that files that are closed later are free at once: the kernel takes its time to end a ring.
  mutating func cancelAll() {
    // The parent's polls go on, and its queue stays as it is.
    guard !ring.isInherited else { return }
    guard watches.contains(where: { $0.phase == .armed }) else { return }
    do {
      try prepare(.cancelAll(token: Self.noRequest))
      try enter(waitingFor: 0, timeout: .zero)
      takeCompletions()
      while try advance() > 0 {}
    } catch {
      // The ring belongs to another thread. Its end lets go of the files too, within some ten milliseconds.
    }
  }
}

// MARK: - Polls

extension IOUringPolls {
  private mutating func makeDue(_ fd: Int32) {
    watches[Int(fd)].phase = .due
    due.append(fd)
  }

  /// Prepares the polls that are due.
  private mutating func arm(_ registry: Registry) throws(MultiplexError) {
    while let fd = due.last {
      if watches[Int(fd)].phase == .due, let registration = registry[fd], registration.isArmed, fd != descriptor {
        lastRequest &+= 1
        watches[Int(fd)].request = lastRequest
        try prepare(.poll(of: registration, token: watches[Int(fd)].token(fd)))
        watches[Int(fd)].phase = .armed
        // A poll completes at once if its descriptor is ready. Looked at before that is known, there would be two edges.
        if registration.mode == .edge { watches[Int(fd)].isSuspect = false }
      }
      due.removeLast()
    }
  }

  /// Cancels a descriptor's poll, if the kernel has it, with the next submission.
  private mutating func disarm(_ fd: Int32) throws(MultiplexError) {
    if watches[Int(fd)].phase == .armed {
      do {
        try prepare(.cancel(watches[Int(fd)].token(fd), token: Self.noRequest).skippingSuccess())
      } catch let error where error.errno == .fileExists {
        try startOver()
      }
    }
    watches[Int(fd)].phase = .idle
  }

  /// Cancels a poll at once: the kernel has let go of its file afterwards.
  private mutating func cancel(_ fd: Int32) throws(MultiplexError) {
    try prepare(.cancel(watches[Int(fd)].token(fd), token: Self.noRequest).skippingSuccess())
    try enter(waitingFor: 0, timeout: .zero)
    takeCompletions()
    // There may be other work that comes first.
    while watches[Int(fd)].phase == .armed, try advance() > 0 {}
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

  /// Makes a ring for this thread in place of one that belongs to another thread, and all polls anew.
  ///
  /// In edge mode, what is ready then counts as new.
  private mutating func startOver() throws(MultiplexError) {
    ring = try Self.makeRing()
    ended = []
    failed = []
    due = []
    for fd in watches.indices where watches[fd].phase != .idle { makeDue(Int32(fd)) }
  }
}

extension Ring.Submission {
  /// In one-shot mode a poll that ends by itself spares a cancellation. But each poll is completed, too, when the peer has
  /// finished sending: for those who don't read, that would be one poll after the other.
  fileprivate static func poll(of registration: Registration, token: UInt64) -> Self {
    let interest = registration.interest
    var events = EpollEvents(interest, .level)
    // Asked for priority data alone, the kernel passes over the wakeups that come with data.
    if interest.contains(.priority) { events.insert(.readBand) }
    let isMultishot = registration.mode != .oneShot || !interest.contains(.read)
    return poll(
      FileDescriptor(rawValue: registration.descriptor), for: events, isMultishot: isMultishot, token: token)
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
    retryFailed()
    do {
      try find(timeout, &registry)
    } catch let error where error.errno == .fileExists {
      try startOver()
      try find(timeout, &registry)
    }
    // One that can't be watched keeps nobody from hearing of the others.
    if let failure, !registry.hasFound { throw failure }
  }

  /// Makes polls due that couldn't be made. Each is tried once in a wait.
  private mutating func retryFailed() {
    failure = nil
    for fd in failed where watches[Int(fd)].phase == .failed { makeDue(fd) }
    failed.removeAll(keepingCapacity: true)
  }

  private mutating func find(_ timeout: Duration?, _ registry: inout Registry) throws(MultiplexError) {
    if !suspects.isEmpty || timeout == .zero {
      try arm(registry)
      if ring.preparedCount > 0 || ring.hasPendingWork { try enter(waitingFor: 0, timeout: .zero) }
      try gather()
      try look(&registry)
      if registry.hasFound || timeout == .zero || failure != nil { return }
    }
    try arm(registry)
    try enter(waitingFor: 1, timeout: timeout)
    try gather()
    try look(&registry)
  }

  /// Submits and waits. That there is no room for more completions is no error, as long as some can be taken.
  private mutating func enter(waitingFor count: Int, timeout: Duration?) throws(MultiplexError) {
    do {
      try ring.submitAndWait(for: count, timeout: timeout)
    } catch let error where error.errno == .resourceBusy && ring.completionCount > 0 {
      return
    }
  }

  /// Takes the completions that there are, and those that the kernel has still to work on: it does so for some at a time.
  private mutating func gather() throws(MultiplexError) {
    var count = takeCompletions()
    while count < Self.batch {
      let more = try advance()
      guard more > 0 else { break }
      count += more
    }
  }

  /// Lets the kernel do work that it has put off, and takes what comes of it.
  ///
  /// Nothing may come of it: another thread that wakes a poll says so after it has handed the work over, and the kernel may
  /// have done it by then. What was said is taken back with the next work alone, so it is never waited for.
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
      let fd = Int32(truncatingIfNeeded: completion.token)
      // Others are of polls that were cancelled, or of the cancellation.
      guard watches.indices.contains(Int(fd)), watches[Int(fd)].phase == .armed,
        watches[Int(fd)].token(fd) == completion.token
      else { continue }
      if let failure = failure(of: fd, completion.pollFailure) {
        self.failure = failure
        watches[Int(fd)].phase = .failed
        failed.append(fd)
        continue
      }
      if !completion.hasMore {
        watches[Int(fd)].phase = .ended
        ended.append(fd)
      }
      suspect(fd)
    }
    return count
  }

  /// Why a poll couldn't be made, which the wait tells. A closed descriptor is a suspect instead, and found to be invalid.
  private func failure(of fd: Int32, _ errno: Errno?) -> MultiplexError? {
    guard let errno, errno != .badFileDescriptor, errno != .canceled else { return nil }
    return MultiplexError(call: "io_uring_enter", descriptor: FileDescriptor(rawValue: fd), errno: errno)
  }

  private mutating func suspect(_ fd: Int32) {
    watches[Int(fd)].isSuspect = true
    guard !watches[Int(fd)].isListed else { return }
    watches[Int(fd)].isListed = true
    suspects.append(fd)
  }

  /// Reports what the suspects are ready for, and sees to the polls that this leaves due or without use.
  private mutating func look(_ registry: inout Registry) throws(MultiplexError) {
    try remakeEdges(registry)
    let count = try askAboutSuspects(registry)
    for fd in report(count, to: &registry) { try disarm(fd) }
    remakeEnded(registry)
  }

  /// Has poll say what the suspects are ready for. Then they are none any more.
  ///
  /// - Returns: How many of the entries are ready.
  private mutating func askAboutSuspects(_ registry: Registry) throws(MultiplexError) -> Int {
    entries.removeAll()
    for fd in suspects where watches[Int(fd)].isSuspect && fd != descriptor {
      guard let registration = registry[fd], registration.isArmed else { continue }
      entries.append(fd, for: PollEvents(registration.interest))
    }
    let count = try countReady()
    for fd in suspects {
      watches[Int(fd)].isSuspect = false
      watches[Int(fd)].isListed = false
    }
    suspects.removeAll(keepingCapacity: true)
    return count
  }

  private mutating func countReady() throws(MultiplexError) -> Int {
    guard entries.count > 0 else { return 0 }
    do {
      return try entries.look()
    } catch {
      throw MultiplexError(call: "poll", errno: error)
    }
  }

  /// Reports what poll has said. What is ready in level mode is to be looked at again in the next wait.
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
        suspect(fd)
      }
    }
    swap(&entries, &self.entries)
    return silenced
  }

  /// Has polls that have ended made anew with the next wait, where their descriptors are still watched.
  private mutating func remakeEnded(_ registry: Registry) {
    for fd in ended where watches[Int(fd)].phase == .ended {
      if registry[fd]?.isArmed == true { makeDue(fd) } else { watches[Int(fd)].phase = .idle }
    }
    ended.removeAll(keepingCapacity: true)
  }

  /// Makes polls of edge mode that have ended anew before their descriptors are looked at. A poll completes at once if its
  /// descriptor is ready, and afterwards that would be an edge more than there was.
  private mutating func remakeEdges(_ registry: Registry) throws(MultiplexError) {
    let edges = ended.filter { watches[Int($0)].phase == .ended && registry[$0]?.mode == .edge }
    guard !edges.isEmpty else { return }
    for fd in edges { makeDue(fd) }
    try arm(registry)
    try enter(waitingFor: 0, timeout: .zero)
    try gather()
  }
}
