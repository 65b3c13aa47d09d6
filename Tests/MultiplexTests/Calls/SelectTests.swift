import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("select") struct SelectTests {
  @Test("select answers each of its three lists separately")
  func distinctLists() throws {
    let input = try PipeDescriptors()
    let output = try PipeDescriptors()
    try input.writer.put("x")
    let (sender, receiver) = try urgentPair()

    let ready = try select(
      reading: [input.reader.fileDescriptor, output.reader.fileDescriptor],
      writing: [output.writer.fileDescriptor], exceptional: [sender, receiver])
    #expect(ready.reading == [input.reader.fileDescriptor])
    #expect(ready.writing == [output.writer.fileDescriptor])
    #expect(ready.exceptional == [receiver])
    #expect(!ready.isEmpty)
  }

  @Test("select returns ready descriptors in the order given, and as often as given")
  func orderAndDuplicates() throws {
    let (first, second) = try Socket.pair()
    let (silent, other) = try Socket.pair()
    try first.sendAll([1])
    try second.sendAll([2])
    let given = [second, silent, first, second, first, first]
    let ready = try select(reading: given, writing: given.reversed(), timeout: .zero)
    #expect(ready.reading == [second, first, second, first, first])
    #expect(ready.writing == given.reversed())
    other.close()
  }

  @Test("select takes any collection of anything that has a descriptor, a different one for each list")
  func anyCollection() throws {
    struct Named: Selectable, Equatable {
      let name: String
      let fileDescriptor: FileDescriptor
    }
    let (left, right) = try Socket.pair()
    try left.sendAll([1])
    let epoll = try Epoll()
    try epoll.register(right, for: .in)

    let names = [7: Named(name: "right", fileDescriptor: right.fileDescriptor)]
    let numbers = [left.fileDescriptor.rawValue, right.fileDescriptor.rawValue]
    let ready = try select(
      reading: names.values, writing: numbers.lazy.map { FileDescriptor(rawValue: $0) },
      exceptional: CollectionOfOne(right), timeout: .zero)
    #expect(ready.reading == [Named(name: "right", fileDescriptor: right.fileDescriptor)])
    #expect(ready.writing == [left.fileDescriptor, right.fileDescriptor])
    #expect(ready.exceptional.isEmpty)

    // An epoll instance is readable when one of its descriptors is ready.
    let instances = try select(reading: [epoll], writing: Set([left, right])[...], timeout: .zero)
    #expect(instances.reading.count == 1)
    #expect(Set(instances.writing) == [left, right])
  }

  @Test("select with a zero timeout checks without waiting")
  func zeroPolls() throws {
    let pipe = try PipeDescriptors()
    let before = try select(reading: [pipe.reader.fileDescriptor], timeout: .zero)
    #expect(before.isEmpty)
    try pipe.writer.put("x")
    let after = try select(reading: [pipe.reader.fileDescriptor], timeout: .zero)
    #expect(after.reading == [pipe.reader.fileDescriptor])
  }

  @Test("select without a timeout blocks until something is ready")
  func nilBlocks() throws {
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    let waiting = SecondParty { try select(reading: [reader]).reading }
    #expect(eventually { waiting.isAsleep })
    #expect(!waiting.isDone)
    try pipe.writer.put("x")
    #expect(try waiting.join() == [reader])
  }

  @Test("a select that times out returns three empty lists, and not early", arguments: [1, 900, 1100, 20_000])
  func neverEarly(microseconds: Int) throws {
    let pipe = try PipeDescriptors()
    let descriptor = pipe.reader.fileDescriptor
    let start = ContinuousClock.now
    let ready = try select(reading: [descriptor], exceptional: [descriptor], timeout: .microseconds(microseconds))
    #expect(ContinuousClock.now - start >= .microseconds(microseconds))
    #expect(ready.isEmpty)
  }

  @Test("three empty lists honor the timeout")
  func emptyLists() throws {
    let start = ContinuousClock.now
    #expect(try select(reading: [FileDescriptor](), timeout: .milliseconds(10)).isEmpty)
    #expect(ContinuousClock.now - start >= .milliseconds(10))
  }

  @Test(
    "a negative timeout for select is an error",
    arguments: [Duration.nanoseconds(-1), .seconds(-1), .seconds(Int64.min)])
  func negativeTimeout(timeout: Duration) throws {
    let error = #expect(throws: MultiplexError.self) {
      try select(reading: [FileDescriptor.standardInput], timeout: timeout)
    }
    #expect(error?.call == "pselect")
    #expect(error?.reason == .invalidArgument)
    #expect(error?.errno == .invalidArgument)
    #expect(error?.advice != nil)
  }

  @Test("a negative descriptor in any list is an error that names it", arguments: [-1, -2, Int32.min])
  func negativeDescriptor(number: Int32) throws {
    let negative = FileDescriptor(rawValue: number)
    let errors = [
      #expect(throws: MultiplexError.self) { try select(reading: [negative], timeout: .zero) },
      #expect(throws: MultiplexError.self) { try select(writing: [negative], timeout: .zero) },
      #expect(throws: MultiplexError.self) { try select(exceptional: [negative], timeout: .zero) },
    ]
    for error in errors {
      #expect(error?.call == "pselect")
      #expect(error?.reason == (number == -1 ? .closed : .notOpen))
      #expect(error?.descriptor == negative)
    }
  }

  @Test("select throws an error that names a closed descriptor, even if others are ready")
  func closedDescriptor() throws {
    let pipe = try PipeDescriptors()
    try pipe.writer.put("x")
    let gone = try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).renumbered()
    // Keeps the closed number within the process's table, where the kernel itself detects it.
    let above = try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).renumbered()
    let number = gone.fileDescriptor
    try gone.close()
    for list in [[number, above.fileDescriptor], [pipe.reader.fileDescriptor, number, above.fileDescriptor]] {
      let error = #expect(throws: MultiplexError.self) { try select(reading: list, timeout: .zero) }
      #expect(error?.call == "pselect")
      #expect(error?.reason == .notOpen)
      #expect(error?.errno == .badFileDescriptor)
      #expect(error?.descriptor == number)
    }
  }

  @Test(
    "a descriptor beyond the process's limit is an error instead of being ignored, and costs no memory",
    arguments: [5_000_000, Int32.max])
  func beyondTheTable(number: Int32) throws {
    let pipe = try PipeDescriptors()
    try pipe.writer.put("x")
    let stray = FileDescriptor(rawValue: number)
    let error = #expect(throws: MultiplexError.self) {
      try select(reading: [pipe.reader.fileDescriptor, stray], writing: [stray], timeout: .zero)
    }
    #expect(error?.call == "pselect")
    #expect(error?.reason == .notOpen)
    #expect(error?.descriptor == stray)
  }

  @Test("select waits for descriptors beyond 1024 like any others")
  func beyond1024() throws {
    let pipe = try PipeDescriptors()
    let reader = try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).renumbered()
    let writer = try OwnedDescriptor(duplicating: pipe.writer.fileDescriptor).renumbered()
    #expect(reader.fileDescriptor.rawValue > 1024)
    let list = [reader.fileDescriptor, pipe.reader.fileDescriptor, writer.fileDescriptor]

    let empty = try select(reading: list, writing: list, timeout: .zero)
    #expect(empty.reading == [])
    #expect(empty.writing == [writer.fileDescriptor])

    try writer.put("x")
    let full = try select(reading: list, exceptional: list, timeout: .zero)
    #expect(full.reading == [reader.fileDescriptor, pipe.reader.fileDescriptor])
    #expect(full.exceptional == [])
  }

  @Test("select reports the end of input as readable, and a pipe without a reader as writable")
  func brokenPipes() throws {
    Forks.pause()
    defer { Forks.resume() }
    let ended = try PipeDescriptors()
    let unread = try PipeDescriptors()
    try ended.writer.close()
    try unread.reader.close()
    let ready = try select(
      reading: [ended.reader.fileDescriptor], writing: [unread.writer.fileDescriptor], timeout: .zero)
    #expect(ready.reading.count == 1)
    #expect(ready.writing.count == 1)
  }

  @Test("select always reports a regular file as readable and writable")
  func regularFile() throws {
    let file = OwnedDescriptor(adopting: try unsafe FileDescriptor.open("/proc/self/exe", .readOnly))
    let list = [file.fileDescriptor]
    let ready = try select(reading: list, writing: list, exceptional: list, timeout: .zero)
    #expect(ready.reading == list)
    #expect(ready.writing == list)
  }

  @Test("a child's pipe is read to its end with select, across timeouts")
  func childToEnd() throws {
    let child = try SpawnedProcess(
      "/bin/sh", ["-c", "while read word; do echo \"heard $word\"; done; echo bye"])
    let process = child.process
    let output = child.output
    let reader = output.fileDescriptor

    var heard = ""
    for word in ["one", "two", "three"] {
      // Nothing has been written, so there is nothing to read.
      #expect(try select(reading: [reader], timeout: .milliseconds(5)).isEmpty)
      try child.input.fileDescriptor.writeAll("\(word)\n".utf8)
      #expect(try select(reading: [reader]).reading == [reader])
      heard += try text(from: reader)
    }
    try child.input.close()
    for _ in 0..<100 {
      #expect(try select(reading: [reader]).reading == [reader])
      let words = try text(from: reader)
      if words.isEmpty { break }
      heard += words
    }
    #expect(heard == "heard one\nheard two\nheard three\nbye\n")
    #expect(eventually { process.exitStatus == .exited(0) })
    try output.close()
  }

  @Test("an interrupted select continues with the remaining time, neither ending early nor starting over")
  func interruptions() throws {
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    try expectToOutlastInterruptions { try select(reading: [reader], timeout: $0).isEmpty }
    try pipe.writer.close()
  }

  @Test(
    "select agrees with poll on each descriptor of many random lists",
    arguments: 1...20 as ClosedRange<UInt64>)
  func agreesWithPoll(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var sockets: [Socket] = []
    for _ in 0..<20 {
      let (left, right) = try Socket.pair()
      if Bool.random(using: &random) { try left.sendAll([1]) }
      if Bool.random(using: &random) { try right.shutdown(.writing) }
      if Bool.random(using: &random) { while try left.send([UInt8](repeating: 0, count: 65_536)) != nil {} }
      sockets += [left, right]
    }
    let lists = (0..<3).map { _ in (0..<30).map { _ in sockets.randomElement(using: &random) ?? sockets[0] } }
    let ready = try select(reading: lists[0], writing: lists[1], exceptional: lists[2], timeout: .zero)
    #expect(try ready.reading == lists[0].filter { try poll($0, for: .in).contains(.in) })
    #expect(try ready.writing == lists[1].filter { try poll($0, for: .out).contains(.out) })
    #expect(try ready.exceptional == lists[2].filter { try poll($0, for: .priority).contains(.priority) })
  }
}

/// What poll reports about one descriptor now.
private func poll(_ socket: Socket, for events: PollEvents) throws -> PollEvents {
  var set = PollSet()
  try set.register(socket, for: events)
  return try set.poll(timeout: .zero).first?.events ?? []
}

/// One read; empty at the end of input.
private func text(from reader: FileDescriptor) throws -> String {
  var buffer = [UInt8](repeating: 0, count: 4096)
  let count = try unsafe buffer.withUnsafeMutableBytes { try unsafe reader.read(into: $0) }
  return String(decoding: buffer.prefix(count), as: UTF8.self)
}

/// A TCP connection whose receiving side has an urgent byte waiting.
private func urgentPair() throws -> (sender: Socket, receiver: Socket) {
  let (sender, receiver) = try connectedPair()
  // MSG_OOB has this value on every architecture.
  let sent = try unsafe [UInt8(ascii: "!")].withUnsafeBytes {
    try unsafe Kernel.send(sender.fileDescriptor.rawValue, $0, flags: 1)
  }
  try #require(sent == 1)
  try #require(try !select(exceptional: [receiver], timeout: .seconds(30)).isEmpty)
  return (sender, receiver)
}
