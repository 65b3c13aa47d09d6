import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("PollSet") struct PollSetTests {
  /// Two connected sockets, kept for the whole test: the optimizer may release a local variable after its last use.
  private let left: Socket
  private let right: Socket

  init() throws {
    (left, right) = try Socket.pair()
  }

  @Test("events are described by C's names, and unknown bits by a number")
  func description() {
    #expect("\([.in, .hangUp] as PollEvents)" == "POLLIN|POLLHUP")
    #expect("\(PollEvents(rawValue: 0x4001))" == "POLLIN|0x4000")
    #expect("\(PollEvents(rawValue: .min))" == "0x8000")
    #expect("\([] as PollEvents)" == "0")
    #expect("\([.out, .edgeTriggered] as EpollEvents)" == "EPOLLOUT|EPOLLET")
  }

  @Test("of twelve pipes each writer is ready, and each written reader, and none that was unregistered")
  func twelvePipes() throws {
    let message = " This is a test."
    var set = PollSet()
    let pipes = try (0..<12).map { _ in try SharedPipe() }
    for pipe in pipes {
      try set.register(pipe.reader, for: .in)
      try set.modify(pipe.reader, for: .in)
      try set.register(pipe.writer, for: .out)
    }
    #expect(set.count == 24)

    var writers = Set(pipes.map(\.writer))
    var received: [String] = []
    while !writers.isEmpty {
      let found = try set.poll(timeout: .zero)
      #expect(Set(found.filter { $0.events == .out }.map(\.descriptor)) == writers)
      let writer = try #require(writers.randomElement())
      let pipe = try #require(pipes.first { $0.writer == writer })
      try pipe.pipe.writer.put(message)

      let readable = try set.poll(timeout: .zero).filter { $0.events.contains(.in) }
      #expect(readable.map(\.descriptor) == [pipe.reader])
      received.append(try #require(try pipe.pipe.reader.take()))
      try set.unregister(pipe.reader)
      try set.unregister(pipe.writer)
      writers.remove(writer)
    }
    #expect(received == Array(repeating: message, count: 12))
    #expect(set.isEmpty)
  }

  @Test("poll reports a closed descriptor as invalid every time, and it can still be unregistered")
  func closedDescriptor() throws {
    let pipe = try PipeDescriptors()
    let gone = try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).renumbered()
    let number = gone.fileDescriptor
    var set = PollSet()
    try set.register(gone, for: .in)
    try gone.close()
    let invalid: [FileDescriptor: PollEvents] = [number: .invalid]
    #expect(try ready(&set) == invalid)
    #expect(try ready(&set, timeout: .zero) == invalid)
    try set.unregister(number)
    #expect(try set.poll(timeout: .zero) == [])
  }

  @Test("a number that was never open can be registered, and is reported as invalid")
  func neverOpen() throws {
    var set = PollSet()
    let stray = FileDescriptor(rawValue: .max)
    try set.register(stray, for: [.in, .out])
    #expect(try ready(&set) == [stray: .invalid])
  }

  @Test("a negative descriptor is rejected, since the kernel would ignore it", arguments: [-1, Int32.min])
  func negativeDescriptor(number: Int32) throws {
    var set = PollSet()
    let error = #expect(throws: MultiplexError.self) { try set.register(FileDescriptor(rawValue: number), for: .in) }
    #expect(error?.reason == (number == -1 ? .closed : .notOpen))
    #expect(error?.descriptor == FileDescriptor(rawValue: number))
    #expect(set.isEmpty)
  }

  @Test("registering a descriptor again replaces its events")
  func reregister() throws {
    try right.sendAll([1])
    var set = PollSet()
    try set.register(left, for: .in)
    try set.register(left, for: .out)
    #expect(set.count == 1)
    #expect(try ready(&set, timeout: .zero) == [left.fileDescriptor: .out])
  }

  @Test("modifying a descriptor replaces its events")
  func modify() throws {
    try right.sendAll([1])
    var set = PollSet()
    try set.register(left, for: .out)
    try set.modify(left, for: [.in, .out])
    #expect(try set.poll(timeout: .zero).map(\.events) == [[.in, .out]])
    try set.modify(left, for: .in)
    #expect(try set.poll(timeout: .zero).map(\.events) == [.in])
  }

  @Test("a socket that was closed too early is refused with that reason")
  func closedSocket() throws {
    var set = PollSet()
    let (near, _) = try Socket.pair()
    try set.register(near, for: .in)
    let number = near.fileDescriptor
    near.close()
    let errors = [
      #expect(throws: MultiplexError.self) { try set.modify(near, for: .in) },
      #expect(throws: MultiplexError.self) { try set.unregister(near) },
    ]
    for error in errors { #expect(error?.reason == .closed) }
    try set.unregister(number)
    #expect(set.isEmpty)
  }

  @Test("modifying and unregistering unknown descriptors are errors that name them and change nothing")
  func unknown() throws {
    var set = PollSet()
    try set.register(left, for: .out)
    let errors = [
      #expect(throws: MultiplexError.self) { try set.modify(right, for: .in) },
      #expect(throws: MultiplexError.self) { try set.unregister(right) },
    ]
    for error in errors {
      #expect(error?.reason == .notRegistered)
      #expect(error?.errno == .noSuchFileOrDirectory)
      #expect(error?.descriptor == right.fileDescriptor)
    }
    try set.unregister(left)
    #expect(throws: MultiplexError.self) { try set.unregister(left) }
    #expect(set.isEmpty)
  }

  @Test("a pipe is readable first, then hung up, and not readable after that")
  func inThenHangUp() throws {
    Forks.pause()
    defer { Forks.resume() }
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    var set = PollSet()
    try set.register(reader, for: .in)
    try pipe.writer.put("last words")
    #expect(try ready(&set) == [reader: .in])
    try pipe.writer.close()
    #expect(try ready(&set) == [reader: [.in, .hangUp]])
    #expect(try pipe.reader.take() == "last words")
    #expect(try ready(&set) == [reader: .hangUp])
    #expect(try pipe.reader.take() == "")
  }

  @Test("a child's pipe is polled until it hangs up, across timeouts")
  func childToEnd() throws {
    let child = try SpawnedProcess("/bin/sh", ["-c", "while read word; do echo \"heard $word\"; done"])
    let process = child.process
    let reader = child.output

    var set = PollSet()
    try set.register(reader, for: .in)
    for word in ["one", "two", "three"] {
      #expect(try set.poll(timeout: .milliseconds(5)) == [])
      try child.input.fileDescriptor.writeAll("\(word)\n".utf8)
      #expect(try set.poll().map(\.events) == [.in])
      #expect(try reader.take() == "heard \(word)\n")
    }
    try child.input.close()
    #expect(try set.poll().map(\.events) == [.hangUp])
    #expect(try reader.take() == "")
    #expect(eventually { process.exitStatus == .exited(0) })
  }

  @Test(
    "poll blocks with no timeout, or a negative one",
    arguments: [nil, Duration.seconds(-1), Duration.nanoseconds(-1)])
  func blocks(timeout: Duration?) throws {
    let pipe = try PipeDescriptors()
    var set = PollSet()
    try set.register(pipe.reader, for: .in)
    let waiting = SecondParty { [set] in
      var set = set
      return try set.poll(timeout: timeout).map(\.events)
    }
    #expect(eventually { waiting.isAsleep })
    #expect(!waiting.isDone)
    try pipe.writer.put("x")
    #expect(try waiting.join() == [.in])
  }

  @Test("a poll that times out returns nothing, and not early", arguments: [1, 900, 1100, 20_000])
  func neverEarly(microseconds: Int) throws {
    let pipe = try PipeDescriptors()
    var set = PollSet()
    try set.register(pipe.reader, for: .in)
    let start = ContinuousClock.now
    #expect(try set.poll(timeout: .microseconds(microseconds)) == [])
    #expect(ContinuousClock.now - start >= .microseconds(microseconds))
  }

  @Test("an empty poll set honors the timeout")
  func emptySet() throws {
    var set = PollSet()
    let start = ContinuousClock.now
    #expect(try set.poll(timeout: .milliseconds(10)) == [])
    #expect(ContinuousClock.now - start >= .milliseconds(10))
  }

  @Test("an interrupted poll continues with the remaining time, neither ending early nor starting over")
  func interruptions() throws {
    let pipe = try PipeDescriptors()
    var set = PollSet()
    try set.register(pipe.reader, for: .in)
    try expectToOutlastInterruptions { [set] timeout in
      var set = set
      return try set.poll(timeout: timeout).isEmpty
    }
    try pipe.writer.close()
  }

  @Test("poll reports a hang-up every time, even if no events are requested")
  func noEvents() throws {
    var set = PollSet()
    try set.register(left, for: [])
    try right.sendAll([1])
    #expect(try set.poll(timeout: .zero) == [])
    right.close()
    #expect(try set.poll().map(\.events) == [.hangUp])
    #expect(try set.poll().map(\.events) == [.hangUp])
  }

  @Test("poll reports a pipe without a reader with an error")
  func brokenPipe() throws {
    let pipe = try PipeDescriptors()
    var set = PollSet()
    try set.register(pipe.writer, for: [])
    try pipe.reader.close()
    #expect(try set.poll().map(\.events) == [.error])
  }

  @Test("poll reports a peer that has finished sending if that is requested")
  func readHangUp() throws {
    var set = PollSet()
    try set.register(left, for: .readHangUp)
    #expect(try set.poll(timeout: .zero) == [])
    try right.shutdown(.writing)
    #expect(try set.poll().map(\.events) == [.readHangUp])
    try set.modify(left, for: .in)
    #expect(try set.poll().map(\.events) == [.in])
  }

  @Test("poll always reports a regular file as readable and writable")
  func regularFile() throws {
    let file = OwnedDescriptor(adopting: try unsafe FileDescriptor.open("/proc/self/exe", .readOnly))
    var set = PollSet()
    try set.register(file, for: [.in, .out])
    #expect(try set.poll(timeout: .zero).map(\.events) == [[.in, .out]])
  }

  @Test("poll reports an unconnected TCP socket as hung up and writable")
  func unconnected() throws {
    let descriptor = OwnedDescriptor(adopting: try Kernel.socket(SocketAddress.ipv4(.any, port: 0).family, 1))
    var set = PollSet()
    try set.register(descriptor, for: [.in, .out])
    #expect(try set.poll(timeout: .zero).map(\.events) == [[.out, .hangUp]])
  }

  @Test("poll waits for descriptors beyond 1024 like any others")
  func beyond1024() throws {
    let pipe = try PipeDescriptors()
    let reader = try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).renumbered()
    var set = PollSet()
    try set.register(reader, for: .in)
    #expect(try set.poll(timeout: .zero) == [])
    try pipe.writer.put("x")
    #expect(try ready(&set) == [reader.fileDescriptor: .in])
  }

  @Test("a copy of a poll set is independent of the original")
  func copies() throws {
    var original = PollSet()
    try original.register(left, for: .out)
    var copy = original
    try copy.register(right, for: .out)
    try copy.unregister(left)
    #expect(try original.poll(timeout: .zero).map(\.descriptor) == [left.fileDescriptor])
    #expect(try copy.poll(timeout: .zero).map(\.descriptor) == [right.fileDescriptor])
  }

  @Test(
    "after any sequence of changes a poll set reports what is registered and nothing else",
    arguments: 1...20 as ClosedRange<UInt64>)
  func model(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    // Both ends of each pair have a byte to read and room to write.
    let sockets = try (0..<8).flatMap { _ in
      let (left, right) = try Socket.pair()
      try left.sendAll([1])
      try right.sendAll([2])
      return [left, right]
    }
    let choices: [PollEvents] = [.in, .out, [.in, .out], []]
    var set = PollSet()
    var model: [FileDescriptor: PollEvents] = [:]
    for _ in 0..<200 {
      let socket = try #require(sockets.randomElement(using: &random))
      let descriptor = socket.fileDescriptor
      let events = try #require(choices.randomElement(using: &random))
      switch (Int.random(in: 0..<3, using: &random), model[descriptor]) {
      case (0, _):
        try set.register(socket, for: events)
        model[descriptor] = events
      case (1, .some):
        try set.modify(socket, for: events)
        model[descriptor] = events
      case (1, nil):
        #expect(throws: MultiplexError.self) { try set.modify(socket, for: events) }
      case (_, .some):
        try set.unregister(socket)
        model[descriptor] = nil
      case (_, nil):
        #expect(throws: MultiplexError.self) { try set.unregister(socket) }
      }
      let found = try set.poll(timeout: .zero)
      #expect(set.count == model.count)
      #expect(
        Dictionary(uniqueKeysWithValues: found.map { ($0.descriptor, $0.events) }) == model.filter { $0.value != [] })
    }
  }
}

/// What is ready, by descriptor.
private func ready(_ set: inout PollSet, timeout: Duration? = nil) throws -> [FileDescriptor: PollEvents] {
  Dictionary(uniqueKeysWithValues: try set.poll(timeout: timeout).map { ($0.descriptor, $0.events) })
}

/// A pipe for collections, which can't hold noncopyable values.
private final class SharedPipe {
  let pipe: PipeDescriptors
  var reader: FileDescriptor { pipe.reader.fileDescriptor }
  var writer: FileDescriptor { pipe.writer.fileDescriptor }

  init() throws {
    pipe = try PipeDescriptors()
  }

  @Test("a set can distinguish ordinary data from priority data, as the kernel does")
  func bands() throws {
    let (near, far) = try connectedPair()
    var set = PollSet()
    try set.register(near, for: [.readNormal, .readBand, .writeNormal, .writeBand])
    #expect(try set.poll(timeout: .zero).map(\.events) == [.writeNormal])
    try far.sendAll([1])
    try set.modify(near, for: [.readNormal, .readBand])
    #expect(try set.poll(timeout: patience).map(\.events) == [.readNormal])
  }
}
