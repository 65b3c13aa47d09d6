internal import Multiplex
internal import SystemPackage

/// Waits for borrowed descriptors.
extension CompletionDriver {
  func awaitReadiness(
    of fd: Int32, for interest: Interest, _ body: @escaping (Readiness) -> Void
  ) throws(MultiplexError) -> ReadinessWait {
    let descriptor = FileDescriptor(rawValue: fd)
    guard !owned[fd] else {
      throw MultiplexError(
        call: "readiness", descriptor: descriptor, reason: .alreadyRegistered, errno: .fileExists,
        advice: "a connection or listener owns it: use that")
    }
    // The kernel reports this too, but only later.
    guard Kernel.isOpen(fd) else {
      endWaitsOfClosed()
      throw MultiplexError(call: "io_uring_enter", descriptor: descriptor, errno: .badFileDescriptor)
    }
    return CompletionPoll.start(descriptor, for: interest, on: self, body)
  }

  /// Looks for borrowed descriptors that were closed while they were waited for, as the kernel doesn't report that.
  /// Done by turns that found nothing.
  func sweep() {
    guard !polls.isEmpty, sweepInterval.isDue() else { return }
    endWaitsOfClosed()
  }

  func endWaitsOfClosed() {
    for (descriptor, polls) in polls where !Kernel.isOpen(descriptor.rawValue) { polls.forEach { $0.end() } }
  }

  /// Submits the cancellations that would go with the next turn.
  func flushCancellations() {
    submitBacklog()
    guard ring.preparedCount > 0 else { return }
    _ = try? ring.submit()
  }

  func insert(_ poll: CompletionPoll) -> HandlerTable.Slot {
    polls[poll.descriptor, default: []].append(poll)
    return handlers.insert(poll)
  }

  func remove(_ poll: CompletionPoll, from slot: HandlerTable.Slot) {
    handlers.remove(slot)
    guard let index = polls.index(forKey: poll.descriptor) else { return }
    polls.values[index].removeAll { $0 === poll }
    if polls.values[index].isEmpty { polls.remove(at: index) }
  }
}
