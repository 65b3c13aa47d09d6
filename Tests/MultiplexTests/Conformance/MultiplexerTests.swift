import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Like Python's selectors: descriptors, each with an attachment of the caller's.
@Suite struct MultiplexerTests {
  // MARK: Registering

  @Test(
    "a descriptor can be registered, looked up, modified and unregistered", arguments: usableBackends,
    TriggerMode.allCases)
  func lifecycle(backend: Poller.Backend, mode: TriggerMode) throws {
    let multiplexer = try Multiplexer<String>(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    #expect(multiplexer.backend == backend)
    try multiplexer.register(near, for: .read, mode: mode, attachment: "first")
    let registration = try #require(multiplexer[near])
    #expect(registration.descriptor == near.fileDescriptor)
    #expect(registration.interest == .read)
    #expect(registration.mode == mode)
    #expect(registration.attachment == "first")

    try multiplexer.modify(near, for: .write)
    #expect(multiplexer[near]?.interest == .write)
    #expect(multiplexer[near]?.mode == mode)
    try multiplexer.modify(near, for: .write, mode: .oneShot)
    #expect(multiplexer[near]?.mode == .oneShot)
    try multiplexer.modify(near, attachment: "second")
    #expect(multiplexer[near]?.attachment == "second")
    #expect(try multiplexer.unregister(near) == "second")
    #expect(multiplexer[near] == nil)
    #expect(multiplexer.registrations.isEmpty)
  }

  @Test("a duplicate, by object or by descriptor, is refused and changes nothing", arguments: usableBackends)
  func duplicate(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try multiplexer.register(near, for: .read, attachment: 1)
    let byObject = refusal { () throws(MultiplexError) in try multiplexer.register(near, for: .write, attachment: 2) }
    let byNumber = refusal { () throws(MultiplexError) in
      try multiplexer.register(near.fileDescriptor, for: .write, attachment: 3)
    }
    #expect(byObject == .alreadyRegistered)
    #expect(byNumber == .alreadyRegistered)
    #expect(multiplexer[near]?.attachment == 1)
    #expect(multiplexer[near]?.interest == .read)
    #expect(multiplexer.registrations.count == 1)
  }

  @Test(
    "registering a descriptor that isn't open with a multiplexer fails and leaves nothing behind",
    arguments: usableBackends)
  func notOpen(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let pipe = try PipeDescriptors()
    let owned = try pipe.reader.renumbered()
    let closed = owned.fileDescriptor
    try owned.close()
    let reason = refusal { () throws(MultiplexError) in try multiplexer.register(closed, for: .read, attachment: 1) }
    #expect(reason == .notOpen)
    #expect(multiplexer.registrations.isEmpty)
  }

  @Test("an unknown descriptor isn't a key", arguments: usableBackends)
  func unknown(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    try multiplexer.register(far, for: .read, attachment: 1)
    #expect(multiplexer[near] == nil)
    #expect(multiplexer[near.fileDescriptor] == nil)
    #expect(refusal { () throws(MultiplexError) in try multiplexer.modify(near, for: .read) } == .notRegistered)
    #expect(refusal { () throws(MultiplexError) in try multiplexer.modify(near, attachment: 2) } == .notRegistered)
    #expect(refusal { () throws(MultiplexError) in try multiplexer.unregister(near) } == .notRegistered)
    #expect(multiplexer.registrations.count == 1)
  }

  @Test(
    "unregistering from a multiplexer after the close is no error, and returns the attachment",
    arguments: usableBackends)
  func unregisterAfterClose(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<String>(backend: backend)
    let pipe = try PipeDescriptors()
    let owned = try pipe.reader.renumbered()
    let number = owned.fileDescriptor
    try multiplexer.register(owned, for: .read, attachment: "closed")
    try owned.close()
    #expect(try multiplexer.unregister(number) == "closed")
    #expect(multiplexer.registrations.isEmpty)
  }

  @Test(
    "unregistering from a multiplexer after the number was reused leaves the new file alone", arguments: usableBackends)
  func unregisterAfterReuse(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<String>(backend: backend)
    let (near, far) = try Socket.pair()
    let pipe = try PipeDescriptors()
    let owned = try pipe.reader.renumbered()
    let number = owned.fileDescriptor
    try multiplexer.register(owned, for: .read, attachment: "pipe")
    try number.become(near.fileDescriptor)
    #expect(try multiplexer.unregister(number) == "pipe")
    try far.fileDescriptor.put()
    #expect(try owned.fileDescriptor.take() == 1)
  }

  @Test("a closed socket is unregistered by the descriptor it had", arguments: usableBackends)
  func unregisterClosedSocket(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    let key = near.fileDescriptor
    try multiplexer.register(near, for: .read, attachment: 1)
    near.close()
    #expect(multiplexer[near] == nil, "it no longer has a descriptor")
    #expect(try multiplexer.unregister(key) == 1)
  }

  @Test("modifying only the attachment makes no system call", arguments: usableBackends, TriggerMode.allCases)
  func attachmentOnly(backend: Poller.Backend, mode: TriggerMode) throws {
    let multiplexer = try Multiplexer<String>(backend: backend)
    let pipe = try PipeDescriptors()
    let owned = try pipe.reader.renumbered()
    let number = owned.fileDescriptor
    try multiplexer.register(number, for: .read, mode: mode, attachment: "before")
    try owned.close()
    // Any call on the descriptor would fail: it isn't open.
    try multiplexer.modify(number, attachment: "after")
    #expect(multiplexer[number]?.attachment == "after")
    let reason = refusal { () throws(MultiplexError) in try multiplexer.modify(number, for: .write) }
    #expect(reason == .notOpen)
  }

  @Test("modifying only the attachment doesn't rearm a one-shot registration", arguments: usableBackends)
  func attachmentDoesNotArm(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try multiplexer.register(near, for: .write, mode: .oneShot, attachment: 1)
    #expect(try !multiplexer.wait(timeout: patience).isEmpty)
    try multiplexer.modify(near, attachment: 2)
    #expect(try multiplexer.wait(timeout: .zero).isEmpty)
  }

  @Test("a failed modify drops the key", arguments: usableBackends, TriggerMode.allCases)
  func failedModify(backend: Poller.Backend, mode: TriggerMode) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let pipe = try PipeDescriptors()
    let owned = try pipe.reader.renumbered()
    let number = owned.fileDescriptor
    try multiplexer.register(number, for: .read, mode: mode, attachment: 1)
    try owned.close()
    #expect(refusal { () throws(MultiplexError) in try multiplexer.modify(number, for: .write) } == .notOpen)
    #expect(multiplexer[number] == nil)
    #expect(multiplexer.registrations.isEmpty)
    #expect(refusal { () throws(MultiplexError) in try multiplexer.unregister(number) } == .notRegistered)
  }

  @Test("an owned descriptor is closed by unregister, and returned by take", arguments: usableBackends)
  func owning(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    let key = try multiplexer.register(owning: near.take(), for: .read, attachment: 1)
    try far.fileDescriptor.put()
    #expect(try multiplexer.wait(timeout: patience).map(\.registration.attachment) == [1])
    let taken = try multiplexer.take(key)
    #expect(taken.fileDescriptor == key)
    #expect(multiplexer[key] == nil)
    #expect(try taken.fileDescriptor.take() == 1)
    #expect(refusal { () throws(MultiplexError) in _ = try multiplexer.take(key) } == .notRegistered)
    try multiplexer.register(owning: taken, for: .read, attachment: 2)
    #expect(kernelReadiness(of: far.fileDescriptor, for: .read) == [])
    #expect(try multiplexer.unregister(key) == 2)
    #expect(eventually { kernelReadiness(of: far.fileDescriptor, for: .read).contains(.hangUp) })
  }

  @Test("attachments are released on unregister and on close", arguments: usableBackends)
  func attachmentLifetime(backend: Poller.Backend) throws {
    final class Attachment {}
    let multiplexer = try Multiplexer<Attachment>(backend: backend)
    let (near, far) = try Socket.pair()
    weak var first: Attachment?
    weak var second: Attachment?
    func attach() throws {
      let (one, other) = (Attachment(), Attachment())
      (first, second) = (one, other)
      try multiplexer.register(near, for: .read, attachment: one)
      try multiplexer.register(far, for: .read, attachment: other)
    }
    try attach()
    #expect(first != nil && second != nil)
    try multiplexer.unregister(near)
    #expect(first == nil && second != nil)
    multiplexer.close()
    #expect(second == nil)
  }

  // MARK: Looking up

  @Test("an attachment can use its multiplexer while it is released", arguments: usableBackends)
  func attachmentDeinit(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Visitor>(backend: backend)
    let (near, far) = try Socket.pair()
    let pipe = try PipeDescriptors()
    let owned = try pipe.reader.renumbered()
    let number = owned.fileDescriptor
    let counts = Counts()
    func visitor() -> Visitor { Visitor { counts.all.append(multiplexer.registrations.count) } }

    try multiplexer.register(near, for: .read, attachment: visitor())
    try multiplexer.register(far, for: .read, attachment: visitor())
    try multiplexer.register(number, for: .read, attachment: visitor())
    try multiplexer.modify(near, attachment: visitor())
    #expect(counts.all == [3])
    try owned.close()
    #expect(throws: MultiplexError.self) { try multiplexer.modify(number, for: .write) }
    #expect(counts.all == [3, 2])
    try multiplexer.unregister(near)
    #expect(counts.all == [3, 2, 1])
    multiplexer.close()
    #expect(counts.all == [3, 2, 1, 0])
  }

  @Test("the map of registrations is live", arguments: usableBackends)
  func liveMap(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    let map = multiplexer.registrations
    #expect(map.isEmpty)
    try multiplexer.register(near, for: .read, attachment: 1)
    try multiplexer.register(far, for: .write, attachment: 2)
    #expect(map.count == 2)
    #expect(multiplexer[near]?.attachment == 1)
    #expect(Set(map.map(\.attachment)) == [1, 2])
    #expect(map.attached(to: 2).map(\.descriptor) == [far.fileDescriptor])
    #expect(map.attached(to: 3).isEmpty)
    try multiplexer.modify(near, attachment: 3)
    #expect(map.attached(to: 3).map(\.descriptor) == [near.fileDescriptor])
    for registration in map { try multiplexer.unregister(registration.descriptor) }
    #expect(map.isEmpty)
  }

  @Test("a closed multiplexer is empty and refuses everything", arguments: usableBackends)
  func closed(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try multiplexer.register(near, for: .read, attachment: 1)
    multiplexer.close()
    multiplexer.close()
    #expect(multiplexer.isClosed)
    #expect(multiplexer[near] == nil)
    #expect(multiplexer.registrations.isEmpty)
    #expect(
      refusal { () throws(MultiplexError) in try multiplexer.register(far, for: .read, attachment: 1) } == .closed)
    #expect(refusal { () throws(MultiplexError) in try multiplexer.modify(near, for: .read) } == .closed)
    #expect(refusal { () throws(MultiplexError) in try multiplexer.modify(near, attachment: 1) } == .closed)
    #expect(refusal { () throws(MultiplexError) in try multiplexer.unregister(near) } == .closed)
    #expect(refusal { () throws(MultiplexError) in _ = try multiplexer.wait(timeout: .zero) } == .closed)
  }

  // MARK: Waiting

  @Test("an event has its registration and attachment", arguments: usableBackends)
  func events(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<String>(backend: backend)
    let (near, far) = try Socket.pair()
    try far.fileDescriptor.put()
    try multiplexer.register(near, for: .read, attachment: "reader")
    try multiplexer.register(far, for: .write, attachment: "writer")
    var found: [String: Readiness] = [:]
    for event in try multiplexer.wait(timeout: patience) {
      found[event.registration.attachment] = event.readiness
      #expect(multiplexer[event.registration.descriptor]?.attachment == event.registration.attachment)
    }
    #expect(found == ["reader": [.readable], "writer": [.writable]])
  }

  @Test(
    "a multiplexer drops the event of a descriptor that was unregistered in the same batch", arguments: usableBackends)
  func stale(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    try multiplexer.register(near, for: .write, attachment: 1)
    try multiplexer.register(far, for: .write, attachment: 2)
    var visited: [Int] = []
    for event in try multiplexer.wait(timeout: patience) {
      visited.append(event.registration.attachment)
      try multiplexer.unregister(visited == [1] ? far : near)
    }
    #expect(visited.count == 1)
  }

  @Test("of twelve socket pairs only the right one wakes", arguments: usableBackends, TriggerMode.allCases)
  func twelvePairs(backend: Poller.Backend, mode: TriggerMode) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let pairs = try (0..<12).map { _ in try Socket.pair() }
    for (index, pair) in pairs.enumerated() {
      try multiplexer.register(pair.0, for: .read, mode: mode, attachment: index)
    }
    var random = SeededGenerator(seed: 12)
    for index in pairs.indices.shuffled(using: &random) {
      try pairs[index].1.fileDescriptor.put(16)
      let found = try multiplexer.wait(timeout: patience).map(\.registration.attachment)
      #expect(found == [index])
      try pairs[index].0.fileDescriptor.drain()
      #expect(try multiplexer.wait(timeout: .zero).isEmpty)
    }
  }

  @Test("zero and negative timeouts don't wait, and no other ends a second early", arguments: usableBackends)
  func timeouts(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try multiplexer.register(near, for: .read, attachment: 1)
    for timeout in [Duration.zero, .seconds(-1), .seconds(-60)] {
      let (batch, time) = try timed { try multiplexer.wait(timeout: timeout) }
      #expect(batch.isEmpty)
      #expect(time < .seconds(20))
    }
    let (batch, time) = try timed { try multiplexer.wait(timeout: .seconds(1)) }
    #expect(batch.isEmpty)
    #expect(time >= .seconds(1))
    #expect(time < .seconds(20))
  }

  @Test("a wake ends the wait of a multiplexer", arguments: usableBackends)
  func wake(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    multiplexer.waker.wake()
    #expect(try multiplexer.wait(timeout: nil).wasWoken)
    #expect(try !multiplexer.wait(until: .now + .milliseconds(1)).wasWoken)
  }

  // MARK: Many descriptors

  @Test(
    "a multiplexer waits for descriptors beyond 1024 like any others", arguments: usableBackends, TriggerMode.allCases)
  func highDescriptors(backend: Poller.Backend, mode: TriggerMode) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    let owned = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered()
    try #require(owned.fileDescriptor.rawValue > 1024, "the limit of open files is too low: raise it (ulimit -n)")
    try multiplexer.register(owned, for: .read, mode: mode, attachment: 1)
    #expect(try multiplexer.wait(timeout: .zero).isEmpty)
    try far.fileDescriptor.put()
    let event = try #require(try multiplexer.wait(timeout: patience).first { _ in true })
    #expect(event.registration.descriptor == owned.fileDescriptor)
    #expect(event.readiness == [.readable])
    try multiplexer.unregister(owned)
  }

  @Test("a multiplexer waits for as many thousands of descriptors as the limit allows", arguments: usableBackends)
  func manyDescriptors(backend: Poller.Backend) throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    let (ready, readyPeer) = try Socket.pair()
    defer { far.close() }
    // Tests that run in parallel share the limit.
    let count = min(4000, try OpenFileLimit.raise().current / 5)
    var owners = OwnedDescriptors()
    for index in 0..<count {
      let descriptor = try owners.duplicate(near)
      try multiplexer.register(descriptor, for: .read, attachment: index)
    }
    try multiplexer.register(ready, for: .read, attachment: -1)
    #expect(try multiplexer.wait(timeout: .zero).isEmpty)
    try readyPeer.fileDescriptor.put()
    #expect(try multiplexer.wait(timeout: patience).map(\.registration.attachment) == [-1])
    try far.fileDescriptor.put()
    try multiplexer.unregister(ready)
    var found: Set<Int> = []
    for _ in 0..<8 where found.count < count {
      for event in try multiplexer.wait(timeout: patience) {
        found.insert(event.registration.attachment)
        try multiplexer.unregister(event.registration.descriptor)
      }
    }
    #expect(found == Set(0..<count))
  }
}

/// Duplicates that are closed together.
private struct OwnedDescriptors: ~Copyable {
  private var descriptors: [FileDescriptor] = []

  mutating func duplicate(_ socket: Socket) throws -> FileDescriptor {
    let descriptor = try OwnedDescriptor(duplicating: socket.fileDescriptor).release()
    descriptors.append(descriptor)
    return descriptor
  }

  deinit {
    for descriptor in descriptors { _ = OwnedDescriptor(adopting: descriptor) }
  }
}

/// Calls back when it is released.
private final class Visitor {
  let farewell: () -> Void

  init(farewell: @escaping () -> Void) {
    self.farewell = farewell
  }

  deinit {
    farewell()
  }
}

private final class Counts {
  var all: [Int] = []
}
