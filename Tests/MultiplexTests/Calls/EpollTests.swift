import CMultiplex
import Foundation
import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("Epoll") struct EpollTests {
  /// Two connected sockets, kept for the whole test: the optimizer may release a local variable after its last use.
  private let left: Socket
  private let right: Socket

  init() throws {
    (left, right) = try Socket.pair()
  }

  // MARK: The instance

  @Test("an epoll instance has its own descriptor, which is closed on exec")
  func ownDescriptor() throws {
    let epoll = try Epoll()
    let shared = try Epoll(fromDescriptor: epoll.fileDescriptor)
    for instance in [epoll, shared] {
      let number = instance.fileDescriptor.rawValue
      #expect(number >= 0)
      #expect(try Kernel.fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
      // How the kernel itself describes it.
      #expect(
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")
          == "anon_inode:[eventpoll]")
    }
    #expect(epoll.fileDescriptor != shared.fileDescriptor)
  }

  @Test("closing an epoll instance twice is no error, and it reports that it is closed")
  func closeTwice() throws {
    let epoll = try Epoll()
    #expect(!epoll.isClosed)
    epoll.close()
    #expect(epoll.isClosed)
    #expect(epoll.fileDescriptor.rawValue == -1)
    epoll.close()
    #expect(epoll.isClosed)
  }

  @Test("every use of a closed epoll instance throws the error for it")
  func useAfterClose() throws {
    let epoll = try Epoll()
    epoll.close()
    let errors = [
      #expect(throws: MultiplexError.self) { try epoll.register(left, for: .in) },
      #expect(throws: MultiplexError.self) { try epoll.modify(left, for: .in) },
      #expect(throws: MultiplexError.self) { try epoll.unregister(left) },
      #expect(throws: MultiplexError.self) { try epoll.wait(timeout: .zero) },
    ]
    for error in errors {
      #expect(error?.reason == .closed)
    }
    #expect(throws: MultiplexError.self) { try Epoll(fromDescriptor: epoll.fileDescriptor) }
  }

  @Test("an instance adopted from another's descriptor shares its set, and each is closed separately")
  func fromDescriptor() throws {
    let first = try Epoll()
    let second = try Epoll(fromDescriptor: first.fileDescriptor)
    try first.register(left, for: .out, data: 1)
    #expect(try events(second) == [1: .out])
    first.close()
    try second.register(right, for: .out, data: 2)
    #expect(Set(try second.wait(timeout: .zero).map(\.data)) == [1, 2])
  }

  @Test("a descriptor that isn't an epoll instance is detected at the first use")
  func fromAnything() throws {
    let pipe = try PipeDescriptors()
    let epoll = try Epoll(fromDescriptor: pipe.reader.fileDescriptor)
    let error = #expect(throws: MultiplexError.self) { try epoll.wait(timeout: .zero) }
    #expect(error?.reason == .invalidArgument)
    let refusal = #expect(throws: MultiplexError.self) { try Epoll(fromDescriptor: FileDescriptor(rawValue: -1)) }
    #expect(refusal?.reason == .notOpen)
  }

  @Test("one epoll instance can wait for another")
  func nested() throws {
    let inner = try Epoll()
    defer { inner.close() }
    let outer = try Epoll()
    try inner.register(left, for: .in)
    try outer.register(inner, for: .in, data: 5)
    #expect(try outer.wait(timeout: .zero) == [])
    try right.sendAll([1])
    #expect(try events(outer, timeout: nil) == [5: .in])
  }

  @Test("an epoll instance can't watch itself")
  func itself() throws {
    let epoll = try Epoll()
    let error = #expect(throws: MultiplexError.self) { try epoll.register(epoll, for: .in) }
    #expect(error?.reason == .invalidArgument)
  }

  // MARK: The set

  @Test("both ends of a connection are writable, and readable once the other has sent")
  func controlAndWait() throws {
    let (client, server) = try connectedPair()
    defer { for socket in [client, server] { socket.close() } }
    let epoll = try Epoll()
    try epoll.register(client, for: [.in, .out], data: 1)
    try epoll.register(server, for: [.in, .out], data: 2)
    #expect(try events(epoll) == [1: .out, 2: .out])

    try client.sendAll(Array("Hello!".utf8))
    try server.sendAll(Array("world!!!".utf8))
    #expect(
      eventually {
        (try? events(epoll)) == [1: [.in, .out], 2: [.in, .out]]
      })

    try epoll.unregister(client)
    try epoll.modify(server, for: .out, data: 3)
    #expect(try events(epoll) == [3: .out])
  }

  @Test("events carry the descriptor's number unless other data is given, of which all 64 bits are returned")
  func data() throws {
    let epoll = try Epoll()
    try epoll.register(left, for: .out)
    try epoll.register(right, for: .out, data: .max)
    #expect(try events(epoll) == [UInt64(left.fileDescriptor.rawValue): .out, .max: .out])
  }

  @Test("adding twice, and modifying or removing what isn't there, are three errors that change nothing")
  func duplicateAndUnknown() throws {
    let epoll = try Epoll()
    try epoll.register(left, for: .out, data: 1)
    let duplicate = #expect(throws: MultiplexError.self) { try epoll.register(left, for: .in, data: 2) }
    #expect(duplicate?.reason == .alreadyRegistered)
    #expect(duplicate?.errno == .fileExists)
    let unknown = [
      #expect(throws: MultiplexError.self) { try epoll.modify(right, for: .in) },
      #expect(throws: MultiplexError.self) { try epoll.unregister(right) },
    ]
    for error in unknown {
      #expect(error?.reason == .notRegistered)
      #expect(error?.errno == .noSuchFileOrDirectory)
      #expect(error?.descriptor == right.fileDescriptor)
    }
    #expect(try events(epoll) == [1: .out])
  }

  @Test("a descriptor that isn't open can't be added to an epoll instance", arguments: [-1, Int32.max])
  func notOpen(number: Int32) throws {
    let epoll = try Epoll()
    let error = #expect(throws: MultiplexError.self) { try epoll.register(FileDescriptor(rawValue: number), for: .in) }
    #expect(error?.reason == (number == -1 ? .closed : .notOpen))
    #expect(error?.descriptor == FileDescriptor(rawValue: number))
  }

  @Test("epoll rejects regular files and directories, with advice", arguments: ["/proc/self/exe", "/"])
  func regularFile(path: String) throws {
    let file = OwnedDescriptor(adopting: try unsafe FileDescriptor.open(path, .readOnly))
    let epoll = try Epoll()
    let error = #expect(throws: MultiplexError.self) { try epoll.register(file, for: .in) }
    #expect(error?.reason == .notPollable)
    #expect(error?.errno == .notPermitted)
    #expect(error?.advice?.contains("regular files") == true)
  }

  @Test("a descriptor that was closed while a duplicate exists is still reported, and can no longer be removed")
  func closedWhileDuplicated() throws {
    let pipe = try PipeDescriptors()
    let closing = try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).renumbered()
    let number = closing.fileDescriptor
    let epoll = try Epoll()
    try epoll.register(closing, for: .in, data: 42)
    try closing.close()
    try pipe.writer.put("x")
    #expect(try events(epoll) == [42: .in])
    let error = #expect(throws: MultiplexError.self) { try epoll.unregister(number) }
    #expect(error?.reason == .notOpen)
    #expect(error?.errno == .badFileDescriptor)
    #expect(try events(epoll) == [42: .in])
  }

  @Test("a descriptor whose last duplicate was closed is forgotten silently")
  func closedForGood() throws {
    Forks.pause()
    defer { Forks.resume() }
    let pipe = try PipeDescriptors()
    let epoll = try Epoll()
    try epoll.register(pipe.reader, for: [.in])
    try pipe.writer.put("x")
    #expect(try epoll.wait(timeout: .zero).count == 1)
    try pipe.reader.close()
    #expect(try epoll.wait(timeout: .zero) == [])
  }

  @Test("epoll waits for descriptors beyond 1024 like any others")
  func beyond1024() throws {
    let pipe = try PipeDescriptors()
    let reader = try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).renumbered()
    let epoll = try Epoll()
    try epoll.register(reader, for: .in)
    try pipe.writer.put("x")
    #expect(try events(epoll, timeout: nil) == [UInt64(reader.fileDescriptor.rawValue): .in])
  }

  // MARK: Events and modes

  @Test("level-triggered, a descriptor is reported for as long as it is ready")
  func level() throws {
    let epoll = try Epoll()
    try epoll.register(left, for: .in, data: 1)
    try right.sendAll([1, 2])
    #expect(try events(epoll) == [1: .in])
    #expect(try left.receive(upTo: 1) == [1])
    #expect(try events(epoll) == [1: .in])
    #expect(try left.receive(upTo: 1) == [2])
    #expect(try events(epoll) == [:])
  }

  @Test("edge-triggered, room to write is reported once, and again together with arriving bytes")
  func edge() throws {
    let epoll = try Epoll()
    try epoll.register(left, for: [.in, .out, .edgeTriggered], data: 1)
    #expect(try events(epoll) == [1: .out])
    #expect(try events(epoll) == [:])
    try right.sendAll([1])
    #expect(try events(epoll) == [1: [.in, .out]])
    #expect(try events(epoll) == [:])
    // Unread bytes aren't an edge, new ones are.
    try right.sendAll([2])
    #expect(try events(epoll) == [1: [.in, .out]])
  }

  @Test("edge-triggered, modifying a descriptor reports current readiness again")
  func edgeModify() throws {
    let epoll = try Epoll()
    try epoll.register(left, for: [.out, .edgeTriggered], data: 1)
    #expect(try events(epoll) == [1: .out])
    try epoll.modify(left, for: [.out, .edgeTriggered], data: 2)
    #expect(try events(epoll) == [2: .out])
    #expect(try events(epoll) == [:])
  }

  @Test("one-shot, a descriptor is silent after its event, hang-ups included, until it is modified")
  func oneShot() throws {
    Forks.pause()
    defer { Forks.resume() }
    let epoll = try Epoll()
    try epoll.register(left, for: [.in, .oneShot], data: 1)
    try right.sendAll([1])
    #expect(try events(epoll) == [1: .in])
    #expect(try events(epoll) == [:])
    right.close()
    #expect(try events(epoll) == [:])
    try epoll.modify(left, for: [.in, .oneShot], data: 1)
    #expect(try events(epoll) == [1: [.in, .hangUp]])
    #expect(try events(epoll) == [:])
  }

  @Test("epoll reports a hang-up every time, even if no events are requested")
  func noEvents() throws {
    Forks.pause()
    defer { Forks.resume() }
    let epoll = try Epoll()
    try epoll.register(left, for: [], data: 1)
    try right.sendAll([1])
    #expect(try events(epoll) == [:])
    right.close()
    #expect(try events(epoll) == [1: .hangUp])
    #expect(try events(epoll) == [1: .hangUp])
  }

  @Test("a peer that has finished sending is reported if that is requested")
  func readHangUp() throws {
    let epoll = try Epoll()
    try epoll.register(left, for: .readHangUp, data: 1)
    #expect(try events(epoll) == [:])
    try right.shutdown(.writing)
    #expect(try events(epoll) == [1: .readHangUp])
  }

  @Test("epoll reports an urgent byte as a priority event")
  func priority() throws {
    let (client, server) = try connectedPair()
    defer { for socket in [client, server] { socket.close() } }
    let epoll = try Epoll()
    try epoll.register(server, for: .priority, data: 1)
    #expect(try events(epoll) == [:])
    let sent = try unsafe [UInt8(ascii: "!")].withUnsafeBytes {
      try unsafe Kernel.send(client.fileDescriptor.rawValue, $0, flags: cmx_MSG_OOB)
    }
    #expect(sent == 1)
    #expect(try events(epoll, timeout: nil) == [1: .priority])
  }

  @Test("epoll reports a pipe without a reader with an error")
  func brokenPipe() throws {
    Forks.pause()
    defer { Forks.resume() }
    let pipe = try PipeDescriptors()
    let epoll = try Epoll()
    try epoll.register(pipe.writer, for: [], data: 1)
    try pipe.reader.close()
    #expect(try events(epoll) == [1: .error])
  }

  @Test("epoll reports an unconnected TCP socket as hung up and writable")
  func unconnected() throws {
    let descriptor = OwnedDescriptor(adopting: try Kernel.socket(AF_INET, cmx_SOCK_STREAM))
    let epoll = try Epoll()
    try epoll.register(descriptor, for: [.in, .out], data: 1)
    #expect(try events(epoll) == [1: [.out, .hangUp]])
  }

  @Test("exclusive mode can be used to add a descriptor, but not modified")
  func exclusive() throws {
    let instances = try [Epoll(), Epoll()]
    for epoll in instances { try epoll.register(left, for: [.in, .exclusive], data: 1) }
    try right.sendAll([1])
    // Nothing was asleep, so both find it.
    for epoll in instances { #expect(try events(epoll) == [1: .in]) }
    let error = #expect(throws: MultiplexError.self) { try instances[0].modify(left, for: .in) }
    #expect(error?.reason == .invalidArgument)
  }

  @Test("wake-up mode is accepted with and without the required privilege")
  func wakeUp() throws {
    let epoll = try Epoll()
    try epoll.register(left, for: [.in, .wakeUp], data: 1)
    try right.sendAll([1])
    #expect(try events(epoll) == [1: .in])
  }

  @Test("the event bits are those of the C library")
  func bits() {
    let pairs: [(EpollEvents, EPOLL_EVENTS)] = [
      (.in, EPOLLIN), (.priority, EPOLLPRI), (.out, EPOLLOUT), (.error, EPOLLERR), (.hangUp, EPOLLHUP),
      (.readNormal, EPOLLRDNORM), (.readBand, EPOLLRDBAND), (.writeNormal, EPOLLWRNORM),
      (.writeBand, EPOLLWRBAND), (.message, EPOLLMSG), (.readHangUp, EPOLLRDHUP), (.exclusive, EPOLLEXCLUSIVE),
      (.wakeUp, EPOLLWAKEUP), (.oneShot, EPOLLONESHOT), (.edgeTriggered, EPOLLET),
    ]
    for (ours, theirs) in pairs { #expect(ours.rawValue == theirs.rawValue) }
  }

  // MARK: Waiting

  @Test("requesting fewer than one event is an error", arguments: [0, -1, -2, Int.min])
  func tooFewEvents(maximum: Int) throws {
    let epoll = try Epoll()
    let error = #expect(throws: MultiplexError.self) { try epoll.wait(timeout: .zero, maximumEvents: maximum) }
    #expect(error?.reason == .invalidArgument)
    #expect(error?.errno == .invalidArgument)
  }

  @Test("any number of events can be requested", arguments: [1, 1 << 40, Int.max])
  func manyEvents(maximum: Int) throws {
    let epoll = try Epoll()
    try epoll.register(left, for: .out, data: 1)
    #expect(try epoll.wait(timeout: .zero, maximumEvents: maximum).map(\.data) == [1])
  }

  @Test("events that didn't fit come first in the next wait")
  func leftOver() throws {
    let sockets = try (0..<4).flatMap { _ in
      let (left, right) = try Socket.pair()
      return [left, right]
    }
    let epoll = try Epoll()
    defer { for socket in sockets { socket.close() } }
    for (index, socket) in sockets.enumerated() { try epoll.register(socket, for: .out, data: UInt64(index)) }
    var found: Set<UInt64> = []
    for _ in 0..<4 {
      let batch = try epoll.wait(timeout: .zero, maximumEvents: 2)
      #expect(batch.count == 2)
      found.formUnion(batch.map(\.data))
    }
    #expect(found == Set(0..<8))
  }

  @Test(
    "epoll blocks with no timeout, or a negative one",
    arguments: [nil, Duration.seconds(-1), Duration.nanoseconds(-1)])
  func blocks(timeout: Duration?) throws {
    let pipe = try PipeDescriptors()
    let epoll = try Epoll()
    try epoll.register(pipe.reader, for: .in, data: 1)
    let set = epoll.fileDescriptor
    let waiting = SecondParty { try Epoll(fromDescriptor: set).wait(timeout: timeout).map(\.data) }
    #expect(eventually { waiting.isAsleep })
    #expect(!waiting.isDone)
    try pipe.writer.put("x")
    #expect(try waiting.join() == [1])
  }

  @Test("an epoll wait that times out returns nothing, and not early", arguments: [1, 100, 900, 1100, 20_000])
  func neverEarly(microseconds: Int) throws {
    let epoll = try Epoll()
    for _ in 0..<10 {
      let start = ContinuousClock.now
      #expect(try epoll.wait(timeout: .microseconds(microseconds)) == [])
      #expect(ContinuousClock.now - start >= .microseconds(microseconds))
    }
  }

  @Test("an interrupted epoll wait continues with the remaining time, neither ending early nor starting over")
  func interruptions() throws {
    try expectToOutlastInterruptions { try Epoll().wait(timeout: $0).isEmpty }
  }
}

/// What is ready, by the data it was added with.
private func events(_ epoll: Epoll, timeout: Duration? = .zero) throws -> [UInt64: EpollEvents] {
  Dictionary(uniqueKeysWithValues: try epoll.wait(timeout: timeout).map { ($0.data, $0.events) })
}
