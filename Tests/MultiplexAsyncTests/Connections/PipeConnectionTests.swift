import Foundation
import Glibc
import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("Connections of pipes and files", .timeLimit(.minutes(2)))
struct PipeConnectionTests {
  @Test("what is written to a pipe is read, in lines, up to its end", arguments: usableBackends)
  func lines(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (input, output) = try await connectedPipe(on: reactor)
    #expect(input.peerAddress == nil)
    try await output.write("one\ntw")
    #expect(try await input.readLine() == Array("one\n".utf8))
    // It waits for the rest.
    async let second = input.readLine()
    try await reactor.takeTurns()
    try await output.write("o\nthree")
    #expect(try await second == Array("two\n".utf8))
    try await output.closeWrite()
    #expect(try await input.readLine() == Array("three".utf8))
    #expect(try await input.readLine() == nil)
  }

  @Test("each write is one call, as others may write to the same pipe", arguments: usableBackends)
  func calls(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    // Like a pipe, but what each call has written is read by itself.
    var ends: [Int32] = [0, 0]
    try #require(unsafe socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0)
    let reader = Socket(adopting: OwnedDescriptor(adopting: FileDescriptor(rawValue: ends[0])))
    try reader.setNonBlocking()
    let writer = OwnedDescriptor(adopting: FileDescriptor(rawValue: ends[1]))
    let output = try await Connection.adopt(writing: writer, on: reactor)
    let lines = (1...4).map { Array("line \($0)\n".utf8) }
    try await reactor.run { for line in lines { try await output.write(line) } }
    for line in lines { #expect(try reader.receive(upTo: 100) == line) }
  }

  @Test("each end does one thing, and says so of the other", arguments: usableBackends)
  func oneWay(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (input, output) = try await connectedPipe(on: reactor)
    #expect(await reason { try await input.write("x") } == .closed)
    try await input.closeWrite()
    #expect(try await output.read()?.count == nil)
    try await output.write("still")
    #expect(try await input.read(exactly: 5) == Array("still".utf8))
    await input.close()
    await output.close()
  }

  @Test("a writer waits while the reader is slow, and nothing is lost", arguments: usableBackends)
  func backpressure(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let pipe = try PipeDescriptors()
    let reader = pipe.reader
    let output = try await Connection.adopt(writing: pipe.writer, on: reactor)
    let bytes = numbered(3_000_000)
    let progress = Counter()
    async let writing: Void = {
      for piece in pieces(of: bytes, upTo: 100_000, seed: 1) {
        try await output.write(piece)
        progress.add(piece.count)
      }
      await output.close()
    }()
    #expect(await becomesTrue { await output.queuedCount > 0 })
    try await reactor.takeTurns()
    #expect(progress.value < bytes.count)
    var received: [UInt8] = []
    var hasEnded = false
    while !hasEnded {
      #expect(
        try await becomesTrue {
          guard let some = try reader.read(upTo: 50_000) else { return false }
          received += some
          hasEnded = some.isEmpty
          return true
        })
      try #require(received.count <= bytes.count)
    }
    try await writing
    #expect(received == bytes)
  }

  @Test("cancelling a read loses no byte, and a deadline ends one", arguments: usableBackends)
  func cancellation(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    let input = try await Connection.adopt(reading: pipe.reader, on: reactor)
    for number in 0..<20 as Range<UInt8> {
      let reading = Task { try await input.read(exactly: Int(number) + 2) }
      try writer.put(String(UnicodeScalar(number)))
      try await reactor.takeTurns()
      reading.cancel()
      #expect(await reason { _ = try await reading.value } == .cancelled)
    }
    await #expect(throws: DeadlineExceeded.self) {
      try await withTimeout(.milliseconds(10), on: reactor) { try await input.read(exactly: 21) }
    }
    #expect(try await input.read(exactly: 20) == Array(0..<20))
  }

  /// The reactor's thread doesn't block the signal here, as those of Swift's pool do.
  @Test("writing without a reader is an error, and no signal ends the process", arguments: usableBackends)
  func brokenPipe(backend: Poller.Backend) async throws {
    let party = SecondParty { () throws -> Reactor in
      var signals = sigset_t()
      unsafe sigemptyset(&signals)
      unsafe pthread_sigmask(SIG_SETMASK, &signals, nil)
      return try Reactor(backend: backend)
    }
    #expect(await becomesTrue { party.isDone })
    let reactor = try party.join()
    let pipe = try PipeDescriptors()
    let output = try await Connection.adopt(writing: pipe.writer, on: reactor)
    try pipe.reader.close()
    // A process that is being spawned has a copy for a moment.
    #expect(
      await becomesTrue {
        do throws(ConnectionError) {
          try await output.write("x")
          return false
        } catch {
          return error.reason == .reset
        }
      })
  }

  @Test("a child process is one connection: its output is read, its input written", arguments: usableBackends)
  func child(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let child = try SpawnedProcess("/bin/cat")
    let process = child.process
    let connection = try await Connection.adopt(reading: child.output, writing: child.input, on: reactor)
    let bytes = numbered(2_000_000)
    async let writing: Void = {
      try await connection.write(bytes)
      try await connection.closeWrite()
    }()
    #expect(try await connection.read(exactly: bytes.count) == bytes)
    #expect(try await connection.read()?.count == nil)
    try await writing
    #expect(await becomesTrue { process.exitStatus == .exited(0) })
  }

  @Test("a regular file is read to its end, and others have their turns meanwhile", arguments: usableBackends)
  func regularFile(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let folder = try TemporaryFolder()
    let bytes = numbered(5_000_000)
    try Data(bytes).write(to: URL(fileURLWithPath: folder.file("data")))
    func open() throws -> OwnedDescriptor {
      OwnedDescriptor(
        adopting: try FileDescriptor.open(FilePath(folder.file("data")), .readOnly, options: .closeOnExec))
    }
    let byTask = try await Connection.adopt(reading: try open(), on: reactor)
    #expect(try await byTask.read(exactly: bytes.count) == bytes)
    #expect(try await byTask.read()?.count == nil)

    let byHandler = try await Connection.adopt(reading: try open(), on: reactor)
    let received = Recorder<[UInt8]>()
    let turns = Counter()
    let others = Task(executorPreference: reactor) {
      while !Task.isCancelled {
        try await reactor.sleep(for: .zero)
        turns.add()
      }
    }
    #expect(await becomesTrue { turns.value > 0 })
    let before = turns.value
    try await byHandler.forEachChunk { chunk, _ in received.add(chunk.array) }
    #expect(turns.value - before > 2)
    others.cancel()
    _ = await others.result
    #expect(received.elements.flatMap(\.self) == bytes)
  }

  @Test("everything is forwarded from a pipe to a socket and back", arguments: usableBackends)
  func forwarding(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let first = try PipeDescriptors()
    let second = try PipeDescriptors()
    let (near, far) = try connectedPair()
    let bytes = numbered(2_000_000)
    let source = try await Connection.adopt(writing: first.writer, on: reactor)
    let intoSocket = try await Connection.adopt(reading: first.reader, on: reactor)
    let sender = try await Connection.adopt(near, on: reactor)
    let receiver = try await Connection.adopt(far, on: reactor)
    let outOfSocket = try await Connection.adopt(writing: second.writer, on: reactor)
    let sink = try await Connection.adopt(reading: second.reader, on: reactor)
    async let writing: Void = {
      try await source.write(bytes)
      try await source.closeWrite()
    }()
    async let there: Void = {
      #expect(try await intoSocket.forward(to: sender) == bytes.count)
      try await sender.closeWrite()
    }()
    async let back: Void = {
      #expect(try await receiver.forward(to: outOfSocket) == bytes.count)
      try await outOfSocket.closeWrite()
    }()
    #expect(try await sink.read(exactly: bytes.count) == bytes)
    #expect(try await sink.read()?.count == nil)
    _ = try await (writing, there, back)
  }

  @Test("closing releases both descriptors, also while they are waited for", arguments: usableBackends)
  func closing(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    for isDropped in [false, true] {
      let input = try PipeDescriptors()
      let output = try PipeDescriptors()
      let writer = input.writer
      let reader = output.reader
      var connection: Connection? = try await Connection.adopt(
        reading: input.reader, writing: output.writer, on: reactor)
      let reading = Task { [connection] in try await connection?.read()?.count }
      try await reactor.takeTurns()
      if isDropped {
        reading.cancel()
      } else {
        await connection?.close()
      }
      _ = await reading.result
      connection = nil
      #expect(await becomesTrue { kernelReadiness(of: writer.fileDescriptor, for: .write).contains(.error) })
      #expect(await becomesTrue { kernelReadiness(of: reader.fileDescriptor, for: .read).contains(.hangUp) })
    }
  }

  @Test("a descriptor that isn't open is refused")
  func notOpen() async throws {
    let reactor = try Reactor()
    let error = await #expect(throws: MultiplexError.self) {
      try await Connection.adopt(reading: OwnedDescriptor(adopting: FileDescriptor(rawValue: -1)), on: reactor)
    }
    #expect(error?.reason == .notOpen)
  }

  @Test("what a pipe's handler posts doesn't overtake what was written before", arguments: usableBackends)
  func posting(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    // With room for a part of what is written.
    let peer = try await RawPeer(on: reactor, bufferSize: 4096)
    let (input, output) = try await connectedPipe(on: reactor)
    let (other, otherOutput) = try await connectedPipe(on: reactor)
    let connection = peer.connection
    let handling = Task { try await input.forEachChunk { chunk, _ in connection.post(chunk.array) } }
    let waiting = Task { try await other.read()?.count }
    try await reactor.takeTurns()
    try await reactor.run {
      try await output.write("late")
      // A ring submits at once what cancels its wait, so that the pipe's event comes first.
      other.abort()
      try await connection.write(numbered(12_000))
    }
    #expect(try await peer.take(12_004) == numbered(12_000) + Array("late".utf8))
    await output.close()
    try await handling.value
    _ = await waiting.result
    await otherOutput.close()
  }

  /// The connections of the two ends of a pipe.
  private func connectedPipe(on reactor: Reactor) async throws -> (input: Connection, output: Connection) {
    let pipe = try PipeDescriptors()
    let input = try await Connection.adopt(reading: pipe.reader, on: reactor)
    return (input, try await Connection.adopt(writing: pipe.writer, on: reactor))
  }
}
