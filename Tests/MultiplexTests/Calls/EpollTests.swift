import CMultiplex
import Foundation
import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("Epoll") struct EpollTests {
  /// Two connected sockets, kept for as long as the test runs: the optimizer may let go of a local once nothing uses it.
  private let left: Socket
  private let right: Socket

  init() throws {
    (left, right) = try Socket.pair()
  }

  // MARK: The instance

  @Test("an instance has a descriptor of its own, which is closed on exec")
  func ownDescriptor() throws {
    let epoll = try Epoll()
    let shared = try Epoll(fromDescriptor: epoll.fileDescriptor)
    for instance in [epoll, shared] {
      let number = instance.fileDescriptor.rawValue
      #expect(number >= 0)
      #expect(try Kernel.fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
      // The kernel's own word for what it is.
      #expect(
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")
          == "anon_inode:[eventpoll]")
    }
    #expect(epoll.fileDescriptor != shared.fileDescriptor)
  }

  @Test("closing twice is no error, and a closed instance says so")
  func closeTwice() throws {
    let epoll = try Epoll()
    #expect(!epoll.isClosed)
    epoll.close()
    #expect(epoll.isClosed)
    #expect(epoll.fileDescriptor.rawValue == -1)
    epoll.close()
    #expect(epoll.isClosed)
  }

  @Test("every use of a closed instance is an error of its own kind")
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

  @Test("an instance made from another's descriptor shares its set, and each is closed by itself")
  func fromDescriptor() throws {
    let first = try Epoll()
    let second = try Epoll(fromDescriptor: first.fileDescriptor)
    try first.register(left, for: .out, data: 1)
    #expect(try events(second) == [1: .out])
    first.close()
    try second.register(right, for: .out, data: 2)
    #expect(Set(try second.wait(timeout: .zero).map(\.data)) == [1, 2])
  }

  @Test("a descriptor that is no epoll instance is found out at the first use")
  func fromAnything() throws {
    let pipe = try PipeDescriptors()
    let epoll = try Epoll(fromDescriptor: pipe.reader.fileDescriptor)
    let error = #expect(throws: MultiplexError.self) { try epoll.wait(timeout: .zero) }
    #expect(error?.reason == .invalidArgument)
    let refusal = #expect(throws: MultiplexError.self) { try Epoll(fromDescriptor: FileDescriptor(rawValue: -1)) }
    #expect(refusal?.reason == .notOpen)
  }

  @Test("an instance can be waited for by another")
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

  @Test("an instance can't watch itself")
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

  @Test("a descriptor's number comes with its events unless another is given, of which all 64 bits come back")
  func data() throws {
    let epoll = try Epoll()
    try epoll.register(left, for: .out)
    try epoll.register(right, for: .out, data: .max)
    #expect(try events(epoll) == [UInt64(left.fileDescriptor.rawValue): .out, .max: .out])
  }

  @Test("adding twice, and modifying and removing what isn't there, are three errors that change nothing")
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

  @Test("a descriptor that isn't open can't be added", arguments: [-1, Int32.max])
  func notOpen(number: Int32) throws {
    let epoll = try Epoll()
    let error = #expect(throws: MultiplexError.self) { try epoll.register(FileDescriptor(rawValue: number), for: .in) }
    #expect(error?.reason == (number == -1 ? .closed : .notOpen))
    #expect(error?.descriptor == FileDescriptor(rawValue: number))
  }

  @Test("regular files and directories are refused, with advice", arguments: ["/proc/self/exe", "/"])
  func regularFile(path: String) throws {
    let file = OwnedDescriptor(adopting: try unsafe FileDescriptor.open(path, .readOnly))
    let epoll = try Epoll()
    let error = #expect(throws: MultiplexError.self) { try epoll.register(file, for: .in) }
    #expect(error?.reason == .notPollable)
    #expect(error?.errno == .notPermitted)
    #expect(error?.advice?.contains("regular files") == true)
  }

  @Test("a descriptor that was closed while a duplicate lives is reported on, and can't be removed any more")
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

  @Test("a descriptor whose last duplicate was closed is forgotten in silence")
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

  @Test("descriptors beyond 1024 are waited for like others")
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

  @Test("edge-triggered, room to write is reported once, and again together with bytes that arrive")
  func edge() throws {
    let epoll = try Epoll()
    try epoll.register(left, for: [.in, .out, .edgeTriggered], data: 1)
    #expect(try events(epoll) == [1: .out])
    #expect(try events(epoll) == [:])
    try right.sendAll([1])
    #expect(try events(epoll) == [1: [.in, .out]])
    #expect(try events(epoll) == [:])
    // Unread bytes are no edge, new ones are.
    try right.sendAll([2])
    #expect(try events(epoll) == [1: [.in, .out]])
  }

  @Test("edge-triggered, modifying reports anew what is ready")
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

  @Test("with no events asked for, a hang-up is reported all the same, each time")
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

  @Test("a peer that has finished sending is reported to those who ask for it")
  func readHangUp() throws {
    let epoll = try Epoll()
    try epoll.register(left, for: .readHangUp, data: 1)
    #expect(try events(epoll) == [:])
    try right.shutdown(.writing)
    #expect(try events(epoll) == [1: .readHangUp])
  }

  @Test("an urgent byte is a priority event")
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

  @Test("a pipe without a reader is reported with an error")
  func brokenPipe() throws {
    Forks.pause()
    defer { Forks.resume() }
    let pipe = try PipeDescriptors()
    let epoll = try Epoll()
    try epoll.register(pipe.writer, for: [], data: 1)
    try pipe.reader.close()
    #expect(try events(epoll) == [1: .error])
  }

  @Test("a TCP socket that isn't connected is reported as hung up and writable")
  func unconnected() throws {
    let descriptor = OwnedDescriptor(adopting: try Kernel.socket(AF_INET, cmx_SOCK_STREAM))
    let epoll = try Epoll()
    try epoll.register(descriptor, for: [.in, .out], data: 1)
    #expect(try events(epoll) == [1: [.out, .hangUp]])
  }

  @Test("exclusive is a mode to add with; it can't be modified")
  func exclusive() throws {
    let instances = try [Epoll(), Epoll()]
    for epoll in instances { try epoll.register(left, for: [.in, .exclusive], data: 1) }
    try right.sendAll([1])
    // Nobody was asleep, so that both find it.
    for epoll in instances { #expect(try events(epoll) == [1: .in]) }
    let error = #expect(throws: MultiplexError.self) { try instances[0].modify(left, for: .in) }
    #expect(error?.reason == .invalidArgument)
  }

  @Test("wake-up is accepted with and without the privilege that it takes")
  func wakeUp() throws {
    let epoll = try Epoll()
    try epoll.register(left, for: [.in, .wakeUp], data: 1)
    try right.sendAll([1])
    #expect(try events(epoll) == [1: .in])
  }

  @Test("the bits are those of the C library")
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

  @Test("fewer than one event can't be asked for", arguments: [0, -1, -2, Int.min])
  func tooFewEvents(maximum: Int) throws {
    let epoll = try Epoll()
    let error = #expect(throws: MultiplexError.self) { try epoll.wait(timeout: .zero, maximumEvents: maximum) }
    #expect(error?.reason == .invalidArgument)
    #expect(error?.errno == .invalidArgument)
  }

  @Test("any number of events can be asked for", arguments: [1, 1 << 40, Int.max])
  func manyEvents(maximum: Int) throws {
    let epoll = try Epoll()
    try epoll.register(left, for: .out, data: 1)
    #expect(try epoll.wait(timeout: .zero, maximumEvents: maximum).map(\.data) == [1])
  }

  @Test("events that were left over come first the next time")
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
    "without a timeout, or with a negative one, it blocks",
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

  @Test("a wait in vain returns nothing, and not before its time", arguments: [1, 100, 900, 1100, 20_000])
  func neverEarly(microseconds: Int) throws {
    let epoll = try Epoll()
    for _ in 0..<10 {
      let start = ContinuousClock.now
      #expect(try epoll.wait(timeout: .microseconds(microseconds)) == [])
      #expect(ContinuousClock.now - start >= .microseconds(microseconds))
    }
  }

  @Test("an interrupted wait goes on with the time left: it neither ends early nor begins anew")
  func interruptions() throws {
    try expectToOutlastInterruptions { try Epoll().wait(timeout: $0).isEmpty }
  }
}

/// What is ready, by the number it was added with.
private func events(_ epoll: Epoll, timeout: Duration? = .zero) throws -> [UInt64: EpollEvents] {
  Dictionary(uniqueKeysWithValues: try epoll.wait(timeout: timeout).map { ($0.data, $0.events) })
}
