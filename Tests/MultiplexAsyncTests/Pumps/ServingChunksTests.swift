import Foundation
import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("Serving connections without tasks", .timeLimit(.minutes(3)))
struct ServingChunksTests {
  @Test("many connections are served at once, each by its own handler", arguments: usableBackends)
  func many(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let handlers = Counter()
    try await withChunkServer(on: reactor) { _ in
      let number = UInt8(handlers.add())
      return ChunkHandler { chunk, replies in replies.write([number] + chunk.array) }
    } while: { listener in
      var numbers: Set<UInt8> = []
      let clients = try await connect(100, to: listener, on: reactor)
      for client in clients { try await client.write("x") }
      for client in clients {
        let reply = try await client.read(exactly: 2)
        numbers.insert(reply[0])
        #expect(reply[1] == UInt8(ascii: "x"))
      }
      #expect(numbers.count == 100)
    }
  }

  @Test("no handler is made within another handler's call that closes the listener", arguments: usableBackends)
  func closingHandler(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let (made, closing, madeWhileClosing) = (Counter(), Counter(), Counter())
    let othersAreConnected = DispatchSemaphore(value: 0)
    async let serving: Void = listener.serveChunks { _ in
      made.add()
      if closing.value > 0 { madeWhileClosing.add() }
      return ChunkHandler { _, _ in
        othersAreConnected.wait()
        closing.add()
        listener.close()
        closing.add(-1)
      }
    }
    let first = try Socket.connected(to: listener.localAddress)
    #expect(await becomesTrue { made.value == 1 })
    try first.sendAll([0])
    let others = try (0..<3).map { _ in try Socket.connected(to: listener.localAddress) }
    othersAreConnected.signal()
    #expect(await becomesTrue { made.value == 4 })
    #expect(madeWhileClosing.value == 0)
    for client in others + [first] { client.close() }
    await serving
  }

  @Test("a server can keep track of its clients, and is notified when one has gone", arguments: usableBackends)
  func clientsThatGo(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let present = Counter()
    try await withChunkServer(on: reactor) { connection in
      present.add()
      connection.onClose { _ in present.add(-1) }
      return ChunkHandler { chunk, replies in replies.write(chunk) }
    } while: { listener in
      let clients = try await connect(20, to: listener, on: reactor)
      #expect(await becomesTrue { present.value == 20 })
      for client in clients.dropLast(5) { await client.close() }
      #expect(await becomesTrue { present.value == 5 })
      for client in clients.suffix(5) { client.abort() }
      #expect(await becomesTrue { present.value == 0 })
    }
  }

  @Test("a handler can answer at the end of input, and learns how the connection ended", arguments: usableBackends)
  func endOfInput(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let told = Recorder<String>()
    try await withChunkServer(on: reactor) { _ in
      // The closures share it: they are called one at a time.
      var count = 0
      return ChunkHandler { chunk, _ in
        count += chunk.count
      } atEnd: { replies in
        replies.write(numbered(count))
        replies.write("\(count)\n")
      } onClose: { reason in
        told.add("\(count) \(reason)")
      }
    } while: { listener in
      for size in [0, 5, 1_000_000] {
        let client = try await Connection.connect(to: listener.localAddress, on: reactor)
        try await client.write(numbered(size))
        try await client.closeWrite()
        #expect(try await client.read(exactly: size) == numbered(size))
        #expect(try await client.readLine() == Array("\(size)\n".utf8))
        #expect(try await client.read()?.count == nil)
        #expect(await becomesTrue { told.elements.last == "\(size) finished" })
      }
      let client = try Socket.connected(to: listener.localAddress)
      try client.fileDescriptor.resetOnClose()
      client.close()
      #expect(await becomesTrue { told.elements.last == "0 \(CloseReason.lost(.reset))" })
      #expect(told.elements.count == 4)
    }
  }

  @Test("a handler isn't called at the end of input after it has ended, and may throw there", arguments: usableBackends)
  func endsOnce(backend: Poller.Backend) async throws {
    struct Failure: Error {}
    let reactor = try Reactor(backend: backend)
    let told = Recorder<String>()
    try await withChunkServer(on: reactor) { _ in
      ChunkHandler { chunk, replies in
        if chunk.array == [1] { replies.end() }
      } atEnd: { replies in
        told.add("end")
        replies.write("incomplete")
        throw Failure()
      } onClose: { reason in
        told.add("\(reason)")
      }
    } while: { listener in
      for byte in 1...2 as ClosedRange<UInt8> {
        let client = try await Connection.connect(to: listener.localAddress, on: reactor)
        try await client.write([byte])
        try await client.closeWrite()
        if byte == 2 { #expect(try await client.read(exactly: 10) == Array("incomplete".utf8)) }
        #expect(try await client.read()?.count == nil)
        #expect(
          await becomesTrue { told.elements == (byte == 1 ? ["finished"] : ["finished", "end", "\(Failure())"]) })
      }
    }
  }

  @Test("what was written is delivered before the connection is closed", arguments: usableBackends)
  func deliveredBeforeTheEnd(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let bytes = numbered(3_000_000)
    try await withChunkServer(on: reactor) { _ in
      ChunkHandler { _, replies in
        replies.write(bytes)
        replies.end()
      }
    } while: { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await client.write("?")
      #expect(try await client.read(exactly: bytes.count) == bytes)
      #expect(try await client.read()?.count == nil)
    }
  }

  @Test("a client that has finished sending still gets all replies", arguments: usableBackends)
  func halfClosed(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let bytes = numbered(1_000_000)
    try await withChunkServer(on: reactor, echoChunks) { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      async let sent: Void = {
        try await client.write(bytes)
        try await client.closeWrite()
      }()
      #expect(try await client.read(exactly: bytes.count) == bytes)
      #expect(try await client.read()?.count == nil)
      try await sent
    }
  }

  /// On a ring, the last write is sent with the next submission, as is the close.
  @Test(
    "a client can't mistake a truncated reply for a whole one when a handler throws",
    arguments: usableBackends)
  func thrownWithoutRoom(backend: Poller.Backend) async throws {
    struct Failure: Error {}
    let observer = RecordingObserver(.connections)
    let reactor = try Reactor(backend: backend, observer: observer)
    let clients = Recorder<FileDescriptor>()
    try await withChunkServer(on: reactor) { _ in
      ChunkHandler { chunk, replies in
        replies.write(chunk.array)
        guard chunk.array != [2] else {
          try observer.opened[0].descriptor.fill()
          throw Failure()
        }
        // This has to wait for the end of the previous write, which comes with the next chunk.
        replies.write(chunk.array)
        _ = try unsafe [2 as UInt8].withUnsafeBytes { unsafe try Kernel.send(clients.elements[0].rawValue, $0) }
      }
    } while: { listener in
      let client = try Socket.connected(to: listener.localAddress)
      clients.add(client.fileDescriptor)
      try client.sendAll([1])
      #expect(await becomesTrue { observer.closed.count == 1 })
      // What was to be submitted has been submitted by then.
      for _ in 0..<3 { await reactor.run { await Task.yield() } }
      var received: [UInt8] = []
      var isBroken = false
      #expect(
        await becomesTrue {
          do {
            while let some = try client.receive(upTo: 1 << 20) {
              guard !some.isEmpty else { return true }
              received += some.filter { $0 < 3 }
            }
            return false
          } catch {
            isBroken = true
            return true
          }
        })
      #expect(isBroken || received == [1, 1, 2])
    }
  }

  @Test("a shutdown closes idle connections with nothing to send early", arguments: usableBackends)
  func idle(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let serving = Task { await listener.serveChunks(echoChunks) }
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    try await checkEcho(client)
    #expect(await listener.shutDown(within: .seconds(100), closingIdleAfter: .milliseconds(20)) == 0)
    await serving.value
    #expect(try await client.read()?.count == nil)
  }

  @Test("a shutdown waits until a slow client has all replies", arguments: usableBackends)
  func owing(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let bytes = numbered(16_000_000)
    let handled = Counter()
    let serving = Task {
      await listener.serveChunks { _ in
        ChunkHandler { _, replies in
          replies.write(bytes)
          handled.add()
        }
      }
    }
    let client = try Socket.connected(to: listener.localAddress)
    try client.sendAll([1])
    #expect(await becomesTrue { handled.value == 1 })
    async let left = listener.shutDown(within: .seconds(100), closingIdleAfter: .milliseconds(10))
    var received: [UInt8] = []
    #expect(
      try await becomesTrue {
        while let some = try client.receive(upTo: 1 << 20) {
          guard !some.isEmpty else { return true }
          received += some
        }
        return false
      })
    #expect(received == bytes)
    #expect(await left == 0)
    await serving.value
  }

  @Test(
    "cancelling serveChunks closes all connections, whatever they wait for, before it returns",
    arguments: usableBackends,
    [false, true])
  func cancelled(backend: Poller.Backend, isFlooded: Bool) async throws {
    let observer = RecordingObserver(.connections)
    let reactor = try Reactor(backend: backend, observer: observer)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let serving = Task {
      await listener.serveChunks { _ in
        ChunkHandler { chunk, replies in
          // With an end, the connection waits for the last bytes.
          if chunk.array == [2] { replies.end() }
          replies.write(isFlooded ? numbered(16_000_000) : chunk.array)
        }
      }
    }
    var clients: [Socket] = []
    for number in 1...3 {
      let client = try Socket.connected(to: listener.localAddress)
      try client.sendAll([UInt8(number)])
      #expect(try await becomesTrue { try client.receive(upTo: 1) != nil })
      clients.append(client)
    }
    serving.cancel()
    await serving.value
    #expect(observer.closed.count == 3)
    // A ring is notified in the next turn of the loop.
    #expect(try await becomesTrue { try heldSockets(at: listener.localAddress) == 1 })
  }

  @Test("several reactors serve chunks, also on connections that are handed over", arguments: usableBackends)
  func group(backend: Poller.Backend) async throws {
    let folder = try TemporaryFolder()
    let group = try ReactorGroup(count: 3, backend: backend)
    let addresses = [try SocketAddress("127.0.0.1:0"), .unix(path: folder.file("socket"))]
    for address in addresses {
      let listener = try await ListenerGroup.bind(to: address, on: group)
      let places = Recorder<Int?>()
      let serving = Task {
        await listener.serveChunks { connection in
          places.add(group.reactors.firstIndex { $0 === connection.reactor })
          #expect(connection.reactor.isCurrent)
          return echoChunks(connection)
        }
      }
      var clients: [Connection] = []
      for _ in 0..<12 {
        clients.append(try await Connection.connect(to: listener.localAddress, on: group.next()))
      }
      for client in clients { try await checkEcho(client) }
      #expect(places.elements.count == 12)
      #expect(Set(places.elements).count > 1)
      #expect(await listener.shutDown(within: .zero) <= 12)
      await serving.value
    }
  }

  @Test("an idle timeout and watermarks can be set before anything is read", arguments: usableBackends)
  func settings(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    try await withChunkServer(on: reactor) { connection in
      connection.setIdleTimeout(.milliseconds(20))
      connection.setWatermarks(Watermarks(low: 0, high: 0))
      return echoChunks(connection)
    } while: { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      #expect(try await client.read()?.count == nil)
    }
  }

  @Test("an observer is notified of the same events with and without tasks", arguments: usableBackends)
  func observed(backend: Poller.Backend) async throws {
    func story(_ serve: @escaping @Sendable (Listener) async -> Void) async throws -> [String] {
      let observer = RecordingObserver([.connections, .transfers])
      let reactor = try Reactor(backend: backend, observer: observer)
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
      let serving = Task { await serve(listener) }
      let client = try Socket.connected(to: listener.localAddress)
      try client.sendAll([1, 2, 3])
      #expect(try await becomesTrue { try client.receive(upTo: 9) == [1, 2, 3] })
      try client.shutdown(.writing)
      #expect(try await becomesTrue { try client.receive(upTo: 9) == [] })
      await listener.shutDown(within: .seconds(100))
      await serving.value
      return observer.story(of: try #require(observer.opened.first))
    }
    let withoutTasks = try await story { await $0.serveChunks(echoChunks) }
    #expect(withoutTasks == (try await story { await $0.serve(echo) }))
    #expect(withoutTasks.count == 5)
  }

  @Test("many short connections leave no descriptor open", arguments: usableBackends)
  func short(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    try await withChunkServer(on: reactor, echoChunks) { listener in
      try await withThrowingTaskGroup { group in
        for seed in 0..<8 as Range<UInt64> {
          group.addTask {
            var generator = SeededGenerator(seed: seed)
            for _ in 0..<40 {
              let client = try await Connection.connect(to: listener.localAddress, on: reactor)
              switch Int.random(in: 0..<4, using: &generator) {
              case 0: client.abort()
              case 1: await client.close()
              case 2:
                try await client.write("gone")
                client.abort()
              default: try await checkEcho(client)
              }
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(await becomesTrue { (try? heldSockets(at: listener.localAddress)) == 1 })
    }
  }
}

@Sendable
private func echoChunks(_ connection: Connection) -> ChunkHandler {
  ChunkHandler { chunk, replies in replies.write(chunk) }
}

/// Serves on loopback while the body runs, then shuts the server down.
private func withChunkServer(
  on reactor: Reactor, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler,
  while body: (Listener) async throws -> Void
) async throws {
  try await withListener(on: reactor, served: { await $0.serveChunks(makeHandler) }, while: body)
}
