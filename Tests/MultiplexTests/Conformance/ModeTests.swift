import Multiplex
import SystemPackage
import TestSupport
import Testing

/// When a ready descriptor is reported: level, edge and one-shot mean the same on every backend.
@Suite struct ModeTests {
  // MARK: Every mode

  @Test("readiness from before the registration is reported", arguments: usableBackends, TriggerMode.allCases)
  func readyBefore(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try far.fileDescriptor.put()
    try poller.register(near, for: .read, mode: mode)
    #expect(try poller.found() == [near.fileDescriptor: [.readable]])
  }

  @Test("descriptors that aren't ready aren't reported", arguments: usableBackends, TriggerMode.allCases)
  func notReady(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try far.fileDescriptor.put()
    try near.fileDescriptor.drain()
    try near.fileDescriptor.fill()
    try poller.register(near, for: .read | .write | .priority, mode: mode)
    #expect(try poller.found() == [:])
    #expect(try poller.found(within: .milliseconds(20)) == [:])
  }

  @Test("a descriptor that becomes ready during a wait ends it", arguments: usableBackends, TriggerMode.allCases)
  func readyDuring(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try near.fileDescriptor.fill()
    try poller.register(near, for: .write, mode: mode)
    let reader = far.fileDescriptor
    try withThread {
      try reader.drain()
    } while: {
      let found = try poller.found(within: patience)
      #expect(found == [near.fileDescriptor: [.writable]])
    }
  }

  @Test("descriptors in different modes are waited for together", arguments: usableBackends)
  func mixed(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let pairs = try TriggerMode.allCases.map { _ in try Socket.pair() }
    // Otherwise a loop over the pairs would be the last to use them, and close them.
    defer { withExtendedLifetime(pairs) {} }
    for (index, mode) in TriggerMode.allCases.enumerated() {
      try pairs[index].1.fileDescriptor.put()
      try poller.register(pairs[index].0, for: .read, mode: mode, token: UInt64(index))
    }
    #expect(try poller.tokens(within: patience) == [0, 1, 2])
    #expect(try poller.tokens() == [0], "only level is reported again")
    for (_, far) in pairs { try far.fileDescriptor.put() }
    #expect(try poller.tokens(within: patience) == [0, 1], "one-shot is silent")
  }

  @Test(
    "modify keeps the mode, or replaces it and rearms it", arguments: usableBackends, TriggerMode.allCases)
  func change(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try far.fileDescriptor.put()
    try poller.register(near, for: .read, mode: mode)
    try expectMode(mode, of: near, far, in: poller)
    try poller.modify(near, for: .read)
    try expectMode(mode, of: near, far, in: poller)
    for next in TriggerMode.allCases {
      try poller.modify(near, for: .read, mode: next)
      try expectMode(next, of: near, far, in: poller)
      try poller.modify(near, for: .read, mode: mode)
      try expectMode(mode, of: near, far, in: poller)
    }
  }

  /// Whether a descriptor that has bytes to read and was just armed behaves as its mode requires.
  private func expectMode(_ mode: TriggerMode, of near: Socket, _ far: Socket, in poller: Poller) throws {
    let event: [FileDescriptor: Readiness] = [near.fileDescriptor: [.readable]]
    #expect(try poller.found(within: patience) == event)
    #expect(try poller.found() == (mode == .level ? event : [:]))
    try far.fileDescriptor.put()
    #expect(try poller.found() == (mode == .oneShot ? [:] : event))
  }

  // MARK: Level

  @Test("level: every wait reports a ready descriptor, until it isn't ready", arguments: usableBackends)
  func level(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read, mode: .level)
    try far.fileDescriptor.put(2)
    for _ in 0..<3 { #expect(try poller.found() == [near.fileDescriptor: [.readable]]) }
    try near.fileDescriptor.take()
    #expect(try poller.found() == [near.fileDescriptor: [.readable]])
    try near.fileDescriptor.take()
    #expect(try poller.found() == [:])
  }

  // MARK: Edge

  @Test("edge: readiness is reported once, and again when more bytes arrive", arguments: usableBackends)
  func edge(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read, mode: .edge)
    for _ in 0..<3 {
      try far.fileDescriptor.put()
      #expect(try poller.found() == [near.fileDescriptor: [.readable]])
      #expect(try poller.found() == [:])
      #expect(try poller.found(within: .milliseconds(10)) == [:])
    }
  }

  @Test("edge: a descriptor drained and filled again between two waits is reported", arguments: usableBackends)
  func edgeRefilled(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read, mode: .edge)
    for _ in 0..<3 {
      try far.fileDescriptor.put(5)
      #expect(try poller.found() == [near.fileDescriptor: [.readable]])
      try near.fileDescriptor.drain()
      try far.fileDescriptor.put(5)
      #expect(try poller.found() == [near.fileDescriptor: [.readable]])
      try near.fileDescriptor.drain()
      #expect(try poller.found() == [:])
    }
  }

  @Test("edge: one of very many ready descriptors, registered again, is reported once", arguments: usableBackends)
  func manyRegisteredAnew(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    // More than one wait collects.
    let count = min(1500, try OpenFileLimit.raise().current / 4)
    let numbers = try (0..<count).map { index in
      try poller.register(
        owning: OwnedDescriptor(duplicating: near.fileDescriptor), for: .read, mode: .edge, token: UInt64(index))
    }
    #expect(try poller.tokens() == [])
    for (index, number) in numbers.enumerated() {
      try poller.register(owning: poller.take(number), for: .read, mode: .edge, token: UInt64(index))
    }
    try far.fileDescriptor.put()
    var found: [UInt64] = []
    _ = try eventually {
      let tokens = try poller.tokens()
      found += tokens
      return tokens.isEmpty
    }
    #expect(found.sorted() == (0..<UInt64(count)).map { $0 })
  }

  @Test("edge: a partial read without new bytes is no event", arguments: usableBackends)
  func edgePartialRead(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read, mode: .edge)
    try far.fileDescriptor.put(3)
    #expect(try poller.found() == [near.fileDescriptor: [.readable]])
    try near.fileDescriptor.take()
    #expect(try poller.found() == [:])
    try near.fileDescriptor.take()
    #expect(try poller.found(within: .milliseconds(10)) == [:])
  }

  @Test("edge: modify makes current readiness count as new", arguments: usableBackends)
  func edgeModified(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read, mode: .edge)
    try far.fileDescriptor.put()
    #expect(try poller.found() == [near.fileDescriptor: [.readable]])
    try poller.modify(near, for: .read)
    #expect(try poller.found() == [near.fileDescriptor: [.readable]])
    #expect(try poller.found() == [:])
  }

  @Test("edge: a writable descriptor is reported once, then again with arriving bytes", arguments: usableBackends)
  func edgeWritable(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read | .write, mode: .edge)
    #expect(try poller.found() == [near.fileDescriptor: [.writable]])
    #expect(try poller.found() == [:])
    try far.fileDescriptor.put()
    #expect(try poller.found() == [near.fileDescriptor: [.readable, .writable]])
    #expect(try poller.found() == [:])
  }

  @Test("edge: room after a full buffer is reported", arguments: usableBackends)
  func edgeRoom(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .write, mode: .edge)
    #expect(try poller.found() == [near.fileDescriptor: [.writable]])
    try near.fileDescriptor.fill()
    #expect(try poller.found() == [:])
    try far.fileDescriptor.drain()
    #expect(try poller.found(within: patience) == [near.fileDescriptor: [.writable]])
    #expect(try poller.found() == [:])
  }

  @Test("edge: a hang-up is reported once", arguments: usableBackends)
  func edgeHangUp(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read, mode: .edge)
    try far.shutdown(.both)
    #expect(try poller.found(within: patience) == [near.fileDescriptor: [.readable, .readClosed, .hangUp]])
    #expect(try poller.found() == [:])
    #expect(try poller.found(within: .milliseconds(10)) == [:])
  }

  @Test("edge: unregistering one descriptor leaves the others waiting", arguments: usableBackends)
  func edgeUnregistered(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (first, firstPeer) = try Socket.pair()
    let (second, secondPeer) = try Socket.pair()
    try poller.register(first, for: .read, mode: .edge)
    try poller.register(second, for: .read, mode: .edge)
    try firstPeer.fileDescriptor.put()
    try secondPeer.fileDescriptor.put()
    try poller.unregister(first)
    #expect(try poller.found() == [second.fileDescriptor: [.readable]])
    try poller.unregister(second)
    try secondPeer.fileDescriptor.put()
    #expect(try poller.found(within: .milliseconds(10)) == [:])
    try poller.register(first, for: .read, mode: .edge)
    #expect(try poller.found() == [first.fileDescriptor: [.readable]])
  }

  // MARK: One-shot

  @Test("one-shot: readiness is reported once, whatever happens after", arguments: usableBackends)
  func oneShot(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read | .write, mode: .oneShot)
    #expect(try poller.found() == [near.fileDescriptor: [.writable]])
    try far.fileDescriptor.put()
    #expect(try poller.found() == [:])
    try far.shutdown(.both)
    #expect(try poller.found() == [:], "hang-ups are silenced too")
    #expect(try poller.found(within: .milliseconds(10)) == [:])
    #expect(poller.count == 1, "it stays registered")
  }

  @Test("one-shot: modify rearms a descriptor once", arguments: usableBackends)
  func oneShotModified(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read, mode: .oneShot)
    try far.fileDescriptor.put()
    #expect(try poller.found() == [near.fileDescriptor: [.readable]])
    for _ in 0..<3 {
      #expect(try poller.found() == [:])
      try poller.modify(near, for: .read)
      #expect(try poller.found() == [near.fileDescriptor: [.readable]], "what is ready is reported at once")
    }
    try near.fileDescriptor.drain()
    try poller.modify(near, for: .read)
    #expect(try poller.found() == [:], "armed, but not ready")
    try far.fileDescriptor.put()
    #expect(try poller.found() == [near.fileDescriptor: [.readable]])
  }

  @Test("one-shot: a hang-up while disarmed is reported once rearmed", arguments: usableBackends)
  func oneShotHangUp(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .priority, mode: .oneShot)
    try far.shutdown(.both)
    #expect(try poller.found(within: patience) == [near.fileDescriptor: [.hangUp]])
    #expect(try poller.found() == [:])
    try poller.modify(near, for: .priority)
    #expect(try poller.found(within: patience) == [near.fileDescriptor: [.hangUp]])
    #expect(try poller.found() == [:])
  }

  @Test("one-shot: a disarmed descriptor can be unregistered and registered again", arguments: usableBackends)
  func oneShotAgain(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try far.fileDescriptor.put()
    for _ in 0..<3 {
      try poller.register(near, for: .read, mode: .oneShot)
      #expect(try poller.found() == [near.fileDescriptor: [.readable]])
      try poller.unregister(near)
      #expect(try poller.found() == [:])
    }
  }

  @Test(
    "one-shot: a wait sleeps though a disarmed descriptor is ready, hung up or closed", arguments: usableBackends)
  func oneShotSleeps(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (ready, peer) = try Socket.pair()
    let (hungUp, other) = try Socket.pair()
    let pipe = try PipeDescriptors()
    let closed = try pipe.reader.renumbered()
    let number = closed.fileDescriptor
    try peer.fileDescriptor.put()
    try other.shutdown(.both)
    for descriptor in [ready.fileDescriptor, hungUp.fileDescriptor, number] {
      try poller.register(descriptor, for: .read, mode: .oneShot)
    }
    try closed.close()
    var found: [FileDescriptor: Readiness] = [:]
    let areFound = try eventually {
      found.merge(try poller.found(within: .milliseconds(1))) { $1 }
      return found.count == 3
    }
    #expect(areFound)
    let start = threadCPUTime()
    #expect(try poller.found(within: .milliseconds(400)) == [:])
    #expect(threadCPUTime() - start < .milliseconds(200))
  }

  @Test("one-shot: disarming one descriptor leaves the others armed", arguments: usableBackends)
  func oneShotOthers(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (first, firstPeer) = try Socket.pair()
    let (second, secondPeer) = try Socket.pair()
    try poller.register(first, for: .read, mode: .oneShot)
    try poller.register(second, for: .read, mode: .oneShot)
    try firstPeer.fileDescriptor.put()
    #expect(try poller.found() == [first.fileDescriptor: [.readable]])
    try secondPeer.fileDescriptor.put()
    #expect(try poller.found() == [second.fileDescriptor: [.readable]])
    #expect(try poller.found() == [:])
  }
}
