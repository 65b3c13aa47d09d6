package import SystemPackage

/// Conversions between interests, readiness and the kernel's bits. Poll and epoll have the same bits, so all backends
/// share them.
extension Interest {
  /// The interest's bits in poll and epoll: `POLLIN`, `EPOLLIN` and so on.
  fileprivate var kernelBits: UInt32 {
    // The end of input (RDHUP) matters only for reading; otherwise it would be a level that never falls.
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

  /// What a poll request of a ring has to wait for.
  package init(wakingFor interest: Interest) {
    self.init(interest, .level)
    // Asked for only priority data, the kernel ignores the wakeups that come with data.
    if interest.contains(.priority) { insert(.readBand) }
  }
}

extension Ring.Completion {
  /// Whether a poll has found priority data by asking the file. For a wakeup by any data, the kernel reports both
  /// priority and band data.
  ///
  /// Some files report a condition only once: `/proc/self/mountinfo` that it has changed, a pressure file that its
  /// trigger has fired. Asked again, they don't.
  package var foundPriority: Bool {
    guard errno == nil else { return false }
    let events = EpollEvents(rawValue: UInt32(bitPattern: result))
    return events.contains(.priority) && !events.contains(.readBand)
  }
}

extension Readiness {
  /// What a descriptor is ready for now, as poll reports it; empty if it isn't ready.
  package static func current(of descriptor: FileDescriptor, for interest: Interest) -> Readiness {
    var entries = PollEntries()
    entries.append(descriptor.rawValue, for: PollEvents(interest))
    guard let count = try? entries.look() else { return [] }
    var readiness: Readiness = []
    entries.forEachReady(count) { _, events in readiness = Readiness(events) }
    return readiness
  }

  init(_ events: PollEvents) {
    self.init(kernelBits: UInt32(UInt16(bitPattern: events.rawValue)))
  }

  init(_ events: EpollEvents) {
    self.init(kernelBits: events.rawValue)
  }

  /// Converts the result of poll or epoll. The low bits are the same here; only the end of input (`POLLRDHUP`,
  /// `EPOLLRDHUP`) is a higher bit. Done for every event, hence without a branch per bit.
  package init(kernelBits bits: UInt32) {
    self.init(rawValue: UInt8(truncatingIfNeeded: bits & 0x3f | (bits & 0x2000) >> 7))
  }
}
