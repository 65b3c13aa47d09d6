internal import CMultiplex

/// The memory that a ring shares with the kernel, mapped according to the kernel's offsets.
@safe
struct RingMemory: ~Copyable {
  private let queues: MappedMemory
  private let entries: MappedMemory
  let submissions: SubmissionQueue
  let completions: CompletionQueue
  /// The flags that the kernel sets (`IORING_SQ_*`).
  private let state: RingCounter

  /// - Parameters:
  ///   - fd: The ring's descriptor.
  ///   - parameters: As filled in by the kernel. Both queues are in one mapping (`IORING_FEAT_SINGLE_MMAP`).
  init(of fd: Int32, _ parameters: cmx_ring_params) throws(MultiplexError) {
    let submissionBytes = Int(parameters.sq.array) + Int(parameters.sq_entries) * MemoryLayout<UInt32>.stride
    let completionBytes = Int(parameters.cq.cqes) + Int(parameters.cq_entries) * MemoryLayout<cmx_cqe>.stride
    let queues = try MappedMemory(ofRing: fd, size: max(submissionBytes, completionBytes), at: cmx_OFF_SQ_RING)
    let entries = try MappedMemory(
      ofRing: fd, size: Int(parameters.sq_entries) * MemoryLayout<cmx_sqe>.stride, at: cmx_OFF_SQES)
    // The kernel's offsets are within the mapping.
    let start = unsafe queues.start
    if parameters.flags & cmx_SETUP_NO_SQARRAY == 0 {
      // The kernel looks up the place of each submission in an array: here, each is in its own place.
      let places = unsafe (start + Int(parameters.sq.array)).assumingMemoryBound(to: UInt32.self)
      for place in 0..<parameters.sq_entries { unsafe places[Int(place)] = place }
    }
    submissions = unsafe SubmissionQueue(
      head: start + Int(parameters.sq.head), tail: start + Int(parameters.sq.tail), entries: entries.start,
      capacity: parameters.sq_entries)
    completions = unsafe CompletionQueue(
      head: start + Int(parameters.cq.head), tail: start + Int(parameters.cq.tail),
      entries: start + Int(parameters.cq.cqes), capacity: parameters.cq_entries)
    // An atomic integer has the layout of an integer, and the kernel's are aligned.
    unsafe state = RingCounter(at: start + Int(parameters.sq.flags))
    self.queues = consume queues
    self.entries = consume entries
  }

  /// Whether the kernel will have completions once it is entered: from wakeups that it hasn't processed, or because
  /// there was no room.
  var hasPendingWork: Bool {
    state.acquired & (cmx_SQ_TASKRUN | cmx_SQ_CQ_OVERFLOW) != 0
  }

  /// Whether there are completions that there was no room for.
  var isOverflowing: Bool {
    state.acquired & cmx_SQ_CQ_OVERFLOW != 0
  }
}
