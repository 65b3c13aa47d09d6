/// The state of the polls of an ``IOUringPolls``, by descriptor, and the descriptors that need attention.
///
/// A list may hold descriptors that have changed state since: what counts is the state.
struct PollWatches {
  /// The state of one descriptor's poll.
  struct Watch {
    enum Phase {
      /// There is no poll.
      case idle
      /// It is to be made.
      case due
      /// The kernel has it.
      case armed
      /// It has completed for the last time.
      case ended
      /// It couldn't be made.
      case failed
    }

    fileprivate(set) var request: UInt32 = 0
    var phase = Phase.idle
    /// Whether poll is to be asked about it. A descriptor can cease to be a candidate while it is still listed: it is
    /// skipped then.
    var isCandidate = false
    /// Whether it is in ``PollWatches/candidates``, so that it isn't added twice.
    fileprivate(set) var isListed = false

    /// Identifies the poll, in submissions and completions.
    func token(_ fd: Int32) -> UInt64 { UInt64(request) << 32 | UInt64(UInt32(bitPattern: fd)) }
  }

  private var watches: ContiguousArray<Watch> = []
  /// Numbers the polls, to tell completions of earlier ones apart.
  private var lastRequest: UInt32 = 0
  /// Descriptors whose polls are to be made with the next wait.
  private var due: [Int32] = []
  /// Descriptors whose polls have ended.
  private(set) var ended: [Int32] = []
  /// Descriptors to check.
  private(set) var candidates: [Int32] = []
  /// Candidates whose polls have found priority data: see `Ring.Completion.foundPriority`.
  private(set) var prioritized: Set<Int32> = []
  /// Descriptors whose polls the kernel couldn't make.
  private var failed: [Int32] = []

  /// - Parameter fd: One for which there is room: see ``makeRoom(for:)``.
  subscript(fd: Int32) -> Watch {
    @inline(__always) get { watches[Int(fd)] }
    @inline(__always) _modify { yield &watches[Int(fd)] }
  }

  /// - Parameter fd: Of an open descriptor: the array grows to the highest number in it.
  mutating func makeRoom(for fd: Int32) {
    watches.grow(toHold: Int(fd), filledWith: Watch())
  }

  /// The descriptors that there is room for.
  var descriptors: Range<Int32> { 0..<Int32(watches.count) }

  var hasArmed: Bool { watches.contains { $0.phase == .armed } }

  /// The descriptor whose poll has completed; nil if the completion is of a cancelled poll, or of a cancellation.
  @inline(__always)
  func armedDescriptor(for token: UInt64) -> Int32? {
    let fd = Int32(truncatingIfNeeded: token)
    guard watches.indices.contains(Int(fd)), self[fd].phase == .armed, self[fd].token(fd) == token else { return nil }
    return fd
  }
}

// MARK: - Making polls

extension PollWatches {
  mutating func makeDue(_ fd: Int32) {
    self[fd].phase = .due
    due.append(fd)
  }

  /// Makes all polls due, to replace those of an earlier ring.
  mutating func makeAllDue() {
    ended = []
    failed = []
    due = []
    for fd in watches.indices where watches[fd].phase != .idle { makeDue(Int32(fd)) }
  }

  /// The next descriptor whose poll may be due. It stays until ``removeLastDue()``.
  var lastDue: Int32? { due.last }

  mutating func removeLastDue() {
    due.removeLast()
  }

  /// Numbers a descriptor's next poll.
  ///
  /// - Returns: The poll's token.
  mutating func makeToken(_ fd: Int32) -> UInt64 {
    lastRequest &+= 1
    self[fd].request = lastRequest
    return self[fd].token(fd)
  }
}

// MARK: - Completed polls

extension PollWatches {
  mutating func end(_ fd: Int32) {
    self[fd].phase = .ended
    ended.append(fd)
  }

  /// Makes ended polls due again, where they are still needed.
  mutating func renewEnded(where isNeeded: (Int32) -> Bool) {
    for fd in ended where self[fd].phase == .ended {
      if isNeeded(fd) { makeDue(fd) } else { self[fd].phase = .idle }
    }
    ended.removeAll(keepingCapacity: true)
  }

  mutating func fail(_ fd: Int32) {
    self[fd].phase = .failed
    failed.append(fd)
  }

  /// Makes failed polls due again.
  mutating func retryFailed() {
    for fd in failed where self[fd].phase == .failed { makeDue(fd) }
    failed.removeAll(keepingCapacity: true)
  }

  mutating func prioritize(_ fd: Int32) {
    prioritized.insert(fd)
  }

  mutating func addCandidate(_ fd: Int32) {
    self[fd].isCandidate = true
    guard !self[fd].isListed else { return }
    self[fd].isListed = true
    candidates.append(fd)
  }

  mutating func removeCandidates() {
    for fd in candidates {
      self[fd].isCandidate = false
      self[fd].isListed = false
    }
    candidates.removeAll(keepingCapacity: true)
    if !prioritized.isEmpty { prioritized = [] }
  }
}
