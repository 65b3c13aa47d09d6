/// What an interest means to the kernel, and what it has found to us. Poll and epoll have the same bits, so that there is one
/// translation for all backends.
extension Interest {
  /// The bits that poll and epoll have for it: `POLLIN`, `EPOLLIN` and so on.
  fileprivate var kernelBits: UInt32 {
    // The end of input (RDHUP) matters only to those who read; to others it would be a level that never falls.
    UInt32(bits) | (contains(.read) ? EpollEvents.readHangUp.rawValue : 0)
  }
}

extension PollEvents {
  init(_ interest: Interest) {
    self.init(rawValue: Int16(truncatingIfNeeded: interest.kernelBits))
  }
}

extension EpollEvents {
  package init(_ interest: Interest, _ mode: TriggerMode) {
    self.init(rawValue: interest.kernelBits)
    switch mode {
    case .level: break
    case .edge: insert(.edgeTriggered)
    case .oneShot: insert(.oneShot)
    }
  }
}

extension Readiness {
  init(_ events: PollEvents) {
    self.init(kernelBits: UInt32(UInt16(bitPattern: events.rawValue)))
  }

  init(_ events: EpollEvents) {
    self.init(kernelBits: events.rawValue)
  }

  /// What poll or epoll has found. The bits of a byte are the same here; the end of input (`POLLRDHUP`, `EPOLLRDHUP`) is the
  /// one that lies higher. Done for every event, hence without a branch for each bit.
  package init(kernelBits bits: UInt32) {
    self.init(rawValue: UInt8(truncatingIfNeeded: bits & 0x3f | (bits & 0x2000) >> 7))
  }
}
