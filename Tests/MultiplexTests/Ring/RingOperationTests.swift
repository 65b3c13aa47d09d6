import CMultiplex
import Foundation
import Multiplex
import SystemPackage
import TestSupport
import Testing

/// What each operation does, seen from its other end.
@Suite("Ring, operations", .needsRing) struct RingOperationTests {
  // MARK: Any operation

  @Test("an operation that has no function is made from its fields: opening a file")
  func open() throws {
    var ring = try Ring()
    let path = "/proc/self/comm"
    let completion = try unsafe Array(path.utf8CString).withUnsafeBytes { path in
      // IORING_OP_OPENAT, relative to AT_FDCWD.
      try ring.prepare(
        unsafe Ring.Submission(
          opcode: 18, on: FileDescriptor(rawValue: -100), address: UInt64(UInt(bitPattern: path.baseAddress)),
          operationFlags: UInt32(bitPattern: cmx_O_CLOEXEC), token: 7))
      return try #require(try ring.complete(1).first)
    }
    #expect(completion.token == 7)
    try #require(completion.errno == nil)
    let descriptor = OwnedDescriptor(adopting: FileDescriptor(rawValue: completion.result))
    let name = try #require(try descriptor.read(upTo: 100))
    #expect(String(decoding: name, as: UTF8.self) == (try String(contentsOfFile: path, encoding: .utf8)))
  }

  @Test("an operation that is made from its fields gets all of them: a timeout that other completions end")
  func timeout() throws {
    var ring = try Ring()
    let day: [Int64] = [86_400, 0]
    try unsafe day.withUnsafeBytes { time in
      // IORING_OP_TIMEOUT: at an address, one timespec; the offset is the number of completions that end it.
      try ring.prepare(
        unsafe Ring.Submission(
          opcode: 11, offset: 1, address: UInt64(UInt(bitPattern: time.baseAddress)), length: 1, token: 7))
      #expect(try ring.completeNow().isEmpty)
      try ring.prepare(.nop(token: 8))
      let completions = try ring.complete(2)
      #expect(Set(completions.map(\.token)) == [7, 8])
      #expect(completions.allSatisfy { $0.result == 0 })
    }
  }

  // MARK: Polls

  @Test("a poll completes once when the descriptor is ready")
  func poll() throws {
    var ring = try Ring()
    let pipe = try PipeDescriptors()
    try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, token: 7))
    #expect(try ring.completeNow().isEmpty)
    try pipe.writer.fileDescriptor.put()
    let completions = try ring.complete(1)
    #expect(completions.map(\.token) == [7])
    #expect(completions.map { EpollEvents(rawValue: UInt32($0.result)) } == [.in])
    #expect(completions.allSatisfy { !$0.hasMore })
    try pipe.writer.fileDescriptor.put()
    #expect(try ring.completeNow().isEmpty)
  }

  @Test("a multishot poll completes with each wakeup, until it is cancelled")
  func multishotPoll() throws {
    var ring = try Ring()
    let pipe = try PipeDescriptors()
    try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, isMultishot: true, token: 7))
    for _ in 0..<3 {
      try pipe.writer.fileDescriptor.put()
      let completions = try ring.complete(1)
      #expect(completions.map(\.token) == [7])
      #expect(completions.map(\.hasMore) == [true])
    }
    try ring.prepare(.cancel(7, token: 8))
    let ends = try ring.complete(2)
    #expect(Dictionary(uniqueKeysWithValues: ends.map { ($0.token, $0.errno) }) == [7: .canceled, 8: nil])
    #expect(ends.allSatisfy { !$0.hasMore })
  }

  @Test(
    "the mode bits of epoll have no effect on a poll",
    arguments: [EpollEvents.oneShot, .edgeTriggered, .exclusive, .wakeUp, [.oneShot, .exclusive]])
  func modes(modes: EpollEvents) throws {
    var ring = try Ring()
    let pipe = try PipeDescriptors()
    try ring.prepare(.poll(pipe.reader.fileDescriptor, for: modes.union(.in), isMultishot: true, token: 7))
    try ring.prepare(.updatePoll(7, to: modes.union(.in), token: 8))
    #expect(try ring.complete(1).map(\.errno) == [nil])
    for _ in 0..<2 {
      try pipe.writer.fileDescriptor.put()
      let completions = try ring.complete(1)
      #expect(completions.map(\.token) == [7])
      #expect(completions.map(\.hasMore) == [true])
    }
  }

  @Test("a multishot poll can be changed, and checks for readiness at once")
  func updatedPoll() throws {
    var ring = try Ring()
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try ring.prepare(.poll(near.fileDescriptor, for: .in, isMultishot: true, token: 7))
    #expect(try ring.completeNow().isEmpty)
    try ring.prepare(.updatePoll(7, to: .out, token: 8))
    let completions = try ring.complete(2)
    #expect(Set(completions.map(\.token)) == [7, 8])
    #expect(completions.first { $0.token == 7 }?.result == Int32(EpollEvents.out.rawValue))
    try ring.prepare(.updatePoll(99, to: .out, token: 9))
    #expect(try ring.complete(1).map(\.errno) == [.noSuchFileOrDirectory])
  }

  @Test("a poll of a closed descriptor completes with an error")
  func closedPoll() throws {
    var ring = try Ring()
    try ring.prepare(.poll(FileDescriptor(rawValue: .max), for: .in, token: 1))
    #expect(try ring.complete(1).map(\.errno) == [.badFileDescriptor])
  }

  // MARK: Cancelling

  @Test("everything on one descriptor is cancelled, and nothing else")
  func cancelDescriptor() throws {
    var ring = try Ring()
    let pipe = try PipeDescriptors()
    let other = try PipeDescriptors()
    try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, token: 1))
    try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, isMultishot: true, token: 2))
    try ring.prepare(.poll(other.reader.fileDescriptor, for: .in, token: 3))
    try ring.prepare(.cancelAll(on: pipe.reader.fileDescriptor, token: 4))
    let completions = try ring.complete(3).sorted { $0.token < $1.token }
    #expect(completions.map(\.token) == [1, 2, 4])
    #expect(completions.map(\.result) == [-Errno.canceled.rawValue, -Errno.canceled.rawValue, 2])
    try other.writer.fileDescriptor.put()
    #expect(try ring.complete(1).map(\.token) == [3])
  }

  @Test("everything is cancelled at once")
  func cancelAll() throws {
    var ring = try Ring(entries: 64)
    let pipe = try PipeDescriptors()
    for token in 1...UInt64(50) { try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, token: token)) }
    try ring.prepare(.cancelAll(token: 0))
    let completions = try ring.complete(51)
    #expect(Set(completions.map(\.token)) == Set(0...50))
    #expect(completions.first { $0.token == 0 }?.result == 50)
    #expect(completions.count { $0.errno == .canceled } == 50)
  }

  // MARK: Files

  @Test("bytes are written and read at an offset, or at the file's own position, which advances")
  func file() throws {
    var ring = try Ring()
    let owned = try TemporaryFolder().makeFile()
    let file = owned.fileDescriptor
    try unsafe Array("0123456789".utf8).withUnsafeBytes { bytes in
      unsafe try ring.prepare(.write(to: file, bytes, token: 1))
      #expect(try ring.complete(1).map(\.result) == [10])
      unsafe try ring.prepare(.write(to: file, UnsafeRawBufferPointer(rebasing: bytes.prefix(2)), at: 5, token: 2))
      #expect(try ring.complete(1).map(\.result) == [2])
    }
    #expect(try file.seek(offset: 0, from: .current) == 10)
    var contents = [UInt8](repeating: 0, count: 20)
    let count = try unsafe contents.withUnsafeMutableBytes { unsafe try file.read(fromAbsoluteOffset: 0, into: $0) }
    #expect(contents.prefix(count) == Array("0123401789".utf8)[...])

    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 1)
    defer { unsafe memory.deallocate() }
    for (offset, expected) in [(3, "3401"), (8, "89"), (10, ""), (nil, "0123"), (nil, "4017")] as [(Int64?, String)] {
      if offset == 10 { try file.seek(offset: 0, from: .start) }
      unsafe try ring.prepare(.read(from: file, into: memory, at: offset, token: 3))
      let count = try #require(try ring.complete(1).first?.result)
      #expect(unsafe String(decoding: memory.prefix(Int(count)), as: UTF8.self) == expected)
    }
  }

  @Test("a failing read or write completes with its error")
  func unreadableFile() throws {
    var ring = try Ring()
    let pipe = try PipeDescriptors()
    let owned = try TemporaryFolder().makeFile(.writeOnly)
    let file = owned.fileDescriptor
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 1)
    defer { unsafe memory.deallocate() }
    for unreadable in [pipe.writer.fileDescriptor, file, FileDescriptor(rawValue: .max)] {
      unsafe try ring.prepare(.read(from: unreadable, into: memory, token: 1))
      #expect(try ring.complete(1).map(\.errno) == [.badFileDescriptor])
    }
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
    unsafe try ring.prepare(.write(to: file, UnsafeRawBufferPointer(memory), at: -5, token: 2))
    #expect(try ring.complete(1).map(\.errno) == [.invalidArgument])
    try ring.prepare(.synchronize(pipe.reader.fileDescriptor, token: 3))
    #expect(try ring.complete(1).map(\.errno) == [.invalidArgument])
  }

  @Test("a read from a pipe completes when something is written")
  func pipe() throws {
    var ring = try Ring()
    let pipe = try PipeDescriptors()
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 1)
    defer { unsafe memory.deallocate() }
    unsafe try ring.prepare(.read(from: pipe.reader.fileDescriptor, into: memory, token: 1))
    #expect(try ring.completeNow().isEmpty)
    try pipe.writer.put("abc")
    #expect(try ring.complete(1).map(\.result) == [3])
    #expect(unsafe String(decoding: memory.prefix(3), as: UTF8.self) == "abc")
  }

  @Test("a linked operation starts once the previous one has succeeded, and is cancelled if it hasn't")
  func linked() throws {
    var ring = try Ring()
    let owned = try TemporaryFolder().makeFile()
    let file = owned.fileDescriptor
    try unsafe Array("journal".utf8).withUnsafeBytes { bytes in
      unsafe try ring.prepare(.write(to: file, bytes, at: 0, token: 1).linkedToNext())
      try ring.prepare(.synchronize(file, isDataOnly: true, token: 2).linkedToNext())
      try ring.prepare(.synchronize(file, token: 3))
      #expect(try ring.complete(3).map(\.token) == [1, 2, 3])
      unsafe try ring.prepare(.write(to: FileDescriptor(rawValue: .max), bytes, token: 4).linkedToNext())
      try ring.prepare(.synchronize(file, token: 5))
      let completions = try ring.complete(2)
      #expect(completions.map(\.token) == [4, 5])
      #expect(completions.map(\.errno) == [.badFileDescriptor, .canceled])
    }
  }

  // MARK: Accepting

  @Test("one submission accepts several connections, non-blocking and close-on-exec")
  func accept() throws {
    var ring = try Ring()
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let address = try listener.localAddress()
    try ring.prepare(.accept(on: listener.fileDescriptor, isMultishot: true, token: 5))
    for _ in 0..<3 {
      let client = try Socket.connected(to: address)
      let completion = try #require(try ring.complete(1).first)
      #expect(completion.token == 5)
      #expect(completion.hasMore)
      try #require(completion.errno == nil)
      let accepted = OwnedDescriptor(adopting: FileDescriptor(rawValue: completion.result))
      try client.fileDescriptor.put(3)
      #expect(eventually { kernelReadiness(of: accepted.fileDescriptor, for: .read) == [.readable] })
      #expect(try accepted.fileDescriptor.take(10) == 3)
      #expect(try accepted.fileDescriptor.take() == nil, "it is non-blocking")
      #expect(try Kernel.fcntl(accepted.fileDescriptor.rawValue, F_GETFD) & FD_CLOEXEC != 0)
    }
  }

  // MARK: Connecting

  @Test("a connect completes once connected, over TCP and Unix sockets")
  func connect() throws {
    var ring = try Ring()
    let folder = try TemporaryFolder()
    for listener in [
      try Socket.listening(on: .ipv4(.loopback, port: 0)), try Socket.listening(on: .unix(path: folder.file("socket"))),
    ] {
      let address = try listener.localAddress()
      let client = try Socket.unconnected(for: address)
      let completion = try unsafe address.withSockaddrBytes { bytes in
        unsafe try ring.prepare(.connect(client.fileDescriptor, to: bytes, token: 7))
        return try ring.complete(1).first
      }
      #expect(completion?.token == 7)
      #expect(completion?.result == 0)
      let server = try listener.acceptNext()
      #expect(try client.send([1, 2, 3]) == 3)
      #expect(eventually { kernelReadiness(of: server.fileDescriptor, for: .read) == [.readable] })
      #expect(try server.receive(upTo: 10) == [1, 2, 3])
    }
  }

  @Test("a failing connect completes with its error")
  func connectToNobody() throws {
    var ring = try Ring()
    try withUnusedAddress { address in
      let client = try Socket.unconnected(for: address)
      let completions = try unsafe address.withSockaddrBytes { bytes in
        unsafe try ring.prepare(.connect(client.fileDescriptor, to: bytes, token: 1))
        return try ring.complete(1)
      }
      #expect(completions.map(\.errno) == [.connectionRefused])
    }
  }

  // MARK: Receiving

  @Test("a multishot receive takes buffers in order, ends when there are none, and continues with recycled ones")
  func receive() throws {
    var ring = try Ring()
    try #require(ring.features.supportsMultishotReceive)
    let (near, far) = try Socket.pair()
    let group = try BufferGroup(id: 3, capacity: 4, bufferSize: 16)
    try ring.register(group)
    for buffer in 0..<UInt16(4) { group.provide(buffer) }
    let sent = (0..<UInt8(150)).map { $0 }
    var received: [UInt8] = []
    try far.sendAll(sent)
    try far.shutdown(.writing)

    var endings: [Errno?] = []
    var rounds = 0
    while endings.last != .some(nil), rounds < 20 {
      rounds += 1
      try ring.prepare(.receive(on: near.fileDescriptor, intoGroup: 3, isMultishot: true, token: 1))
      var buffers: [UInt16] = []
      var isOver = false
      while !isOver {
        for completion in try ring.complete(1) {
          isOver = !completion.hasMore
          if isOver { endings.append(completion.errno) }
          guard let buffer = completion.buffer else { continue }
          group.withBytes(of: buffer, count: Int(completion.result)) { bytes in
            for index in bytes.indices { received.append(bytes[index]) }
          }
          buffers.append(buffer)
        }
      }
      // None was recycled meanwhile: at most four, in the order in which they were provided.
      #expect(buffers == Array(0..<UInt16(buffers.count)))
      #expect(buffers.count <= 4)
      buffers.forEach(group.provide)
    }
    #expect(received == sent)
    // 150 bytes take two full rounds, and a third sees the end of input.
    #expect(endings == [.noBufferSpace, .noBufferSpace, nil])
  }

  @Test("a buffer that is provided twice belongs to the kernel once, until a completion has named it")
  func providedTwice() throws {
    var ring = try Ring()
    let (near, far) = try Socket.pair()
    let group = try BufferGroup(id: 3, capacity: 4, bufferSize: 16)
    try ring.register(group)
    for _ in 0..<3 { group.provide(1) }
    for round in 0..<3 {
      if round > 0 { group.provide(1) }
      try far.fileDescriptor.put(32)
      for expected in [1, nil] as [UInt16?] {
        try ring.prepare(.receive(on: near.fileDescriptor, intoGroup: 3, token: 1))
        let completion = try ring.complete(1).first
        #expect(completion?.buffer == expected)
        #expect(completion?.errno == (expected == nil ? .noBufferSpace : nil))
      }
      try near.fileDescriptor.drain()
    }
  }

  @Test("the buffers of a ring that has ended can be provided to another")
  func groupOfAnotherRing() throws {
    let group = try BufferGroup(id: 3, capacity: 4, bufferSize: 16)
    for _ in 0..<3 {
      var ring = try Ring()
      let (near, far) = try Socket.pair()
      try ring.register(group)
      for buffer in [2, 0] as [UInt16] { group.provide(buffer) }
      try far.fileDescriptor.put(64)
      var buffers: [UInt16?] = []
      for _ in 0..<3 {
        try ring.prepare(.receive(on: near.fileDescriptor, intoGroup: 3, token: 1))
        buffers += try ring.complete(1).map(\.buffer)
      }
      #expect(buffers == [2, 0, nil])
    }
  }

  @Test("bytes of a buffer are borrowed within its bounds, and none of one that isn't in the group")
  func bufferBounds() throws {
    let group = try BufferGroup(id: 1, capacity: 2, bufferSize: 8)
    for (buffer, count, expected) in [
      (0, 5, 5), (1, 8, 8), (1, 9, 8), (0, -1, 0), (0, Int.max, 8), (2, 8, 0), (.max, 1, 0),
    ] as [(UInt16, Int, Int)] {
      #expect(group.withBytes(of: buffer, count: count) { $0.count } == expected)
    }
    group.provide(2)
    for (capacity, size) in [(0, 8), (3, 8), (65_536, 8), (-4, 8), (4, 0), (4, -1), (4, Int.max)] {
      let error = #expect(throws: MultiplexError.self) {
        try BufferGroup(id: 1, capacity: capacity, bufferSize: size)
      }
      #expect(error?.reason == .invalidArgument)
    }
  }

  @Test("no bytes of a buffer that belongs to the kernel are borrowed, until a completion has named it")
  func bytesOfTheKernels() throws {
    var ring = try Ring()
    let (near, far) = try Socket.pair()
    let group = try BufferGroup(id: 3, capacity: 4, bufferSize: 16)
    func lentBytes() -> [Int] { [1, 2].map { group.withBytes(of: $0, count: 16) { $0.count } } }
    #expect(lentBytes() == [16, 16])
    group.provide(1)
    #expect(lentBytes() == [0, 16])
    try ring.register(group)
    group.provide(2)
    #expect(lentBytes() == [0, 0])
    try far.fileDescriptor.put(32)
    for expected in [[16, 0], [16, 16]] {
      try ring.prepare(.receive(on: near.fileDescriptor, intoGroup: 3, token: 1))
      #expect(try ring.complete(1).map(\.result) == [16])
      #expect(lentBytes() == expected)
    }
    group.provide(1)
    #expect(lentBytes() == [0, 16])
  }

  /// 16 KiB buffers, on a machine with pages of 64 KiB.
  @Test(
    "recycled memory belongs to one buffer only, even if buffers share a page", arguments: [2048, 6144, 8192])
  func releasedMemory(size: Int) throws {
    var ring = try Ring()
    let (near, far) = try Socket.pair()
    let group = try BufferGroup(id: 3, capacity: 4, bufferSize: size)
    try ring.register(group)
    for buffer in 0..<UInt16(4) { group.provide(buffer) }
    try far.fileDescriptor.put(4 * size)
    for expected in 0..<UInt16(4) {
      try ring.prepare(.receive(on: near.fileDescriptor, intoGroup: 3, token: 1))
      #expect(try ring.complete(1).map(\.buffer) == [expected])
    }
    for released in [0, 2] as [UInt16] { group.releaseMemory(of: released) }
    for buffer in [1, 3] as [UInt16] {
      let bytes = group.withBytes(of: buffer, count: size) { bytes in
        bytes.indices.map { bytes[$0] }
      }
      #expect(bytes == [UInt8](repeating: UInt8(ascii: "x"), count: size))
    }
  }

  @Test("a group number is used once in a ring, and a group by one ring")
  func groups() throws {
    var ring = try Ring()
    var other = try Ring()
    let group = try BufferGroup(id: 1, capacity: 2, bufferSize: 8)
    try ring.register(group)
    let reasons = [
      refusal { () throws(MultiplexError) in try ring.register(group) },
      refusal { () throws(MultiplexError) in
        try ring.register(try BufferGroup(id: 1, capacity: 2, bufferSize: 8))
      },
      refusal { () throws(MultiplexError) in try other.register(group) },
    ]
    #expect(reasons == [.alreadyRegistered, .alreadyRegistered, .alreadyRegistered])
    try other.register(try BufferGroup(id: 1, capacity: 2, bufferSize: 8))
  }

  @Test("memory of more than two GiB is used as far as the kernel goes")
  func largeMemory() throws {
    var ring = try Ring()
    let (near, far) = try Socket.pair()
    // Only the beginning of it is touched.
    let size = 3 << 30
    let start = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    defer { _ = unsafe munmap(start, size) }
    let memory = unsafe UnsafeMutableRawBufferPointer(start: start, count: size)
    try far.fileDescriptor.put(3)
    try unsafe ring.prepare(.receive(on: near.fileDescriptor, into: memory, token: 1))
    #expect(try ring.complete(1).map(\.result) == [3])
    try unsafe ring.prepare(
      .send(on: near.fileDescriptor, UnsafeRawBufferPointer(memory), sendsAll: false, waitsForRoom: false, token: 2))
    #expect(try #require(try ring.complete(1).first).result > 0)
  }

  @Test("a receive into memory completes with the number of bytes, and 0 at the end of input")
  func receiveIntoMemory() throws {
    var ring = try Ring()
    let (near, far) = try Socket.pair()
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 10, alignment: 1)
    defer { unsafe memory.deallocate() }
    unsafe try ring.prepare(.receive(on: near.fileDescriptor, into: memory, token: 1))
    try far.sendAll(Array("hello".utf8))
    #expect(try ring.complete(1).map(\.result) == [5])
    #expect(unsafe String(decoding: memory.prefix(5), as: UTF8.self) == "hello")
    try far.shutdown(.writing)
    unsafe try ring.prepare(.receive(on: near.fileDescriptor, into: memory, token: 2))
    #expect(try ring.complete(1).map(\.result) == [0])
  }

  @Test("a completed receive tells whether the socket had more bytes")
  func receivedPart() throws {
    var ring = try Ring()
    let (near, far) = try connectedPair()
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 3, alignment: 1)
    defer { unsafe memory.deallocate() }
    try far.sendAll([1, 2, 3, 4])
    _ = try select(reading: [near], timeout: patience)
    for (count, hasMore) in [(3, true), (1, false)] as [(Int32, Bool)] {
      unsafe try ring.prepare(.receive(on: near.fileDescriptor, into: memory, token: 1))
      let completion = try #require(try ring.complete(1).first)
      #expect(completion.result == count)
      #expect(completion.socketHasMore == hasMore)
    }
  }

  // MARK: Sending

  @Test("a whole send completes once everything is sent, a short one with what there was room for")
  func send() throws {
    var ring = try Ring()
    let (near, far) = try Socket.pair()
    let count = 4 << 20
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { unsafe bytes.deallocate() }
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 1)
    unsafe try ring.prepare(.send(on: near.fileDescriptor, UnsafeRawBufferPointer(bytes), sendsAll: false, token: 1))
    let short = try #require(try ring.complete(1).first)
    #expect(short.result > 0 && short.result < count)
    try far.fileDescriptor.drain()

    unsafe try ring.prepare(.send(on: near.fileDescriptor, UnsafeRawBufferPointer(bytes), token: 2))
    try ring.submit()
    var drained = 0
    var completions: [Ring.Completion] = []
    let isSent = try eventually {
      while let taken = try far.fileDescriptor.take(1 << 20) { drained += taken }
      completions += try ring.completeNow()
      return !completions.isEmpty
    }
    #expect(isSent)
    while let taken = try far.fileDescriptor.take(1 << 20) { drained += taken }
    #expect(completions.map(\.result) == [Int32(count)])
    #expect(drained == count)
  }

  @Test("a send to a peer that has gone is EPIPE, without a signal")
  func sendToNobody() throws {
    Forks.pause()
    defer { Forks.resume() }
    var ring = try Ring()
    let (near, far) = try Socket.pair()
    far.close()
    let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
    defer { unsafe byte.deallocate() }
    unsafe byte[0] = 1
    unsafe try ring.prepare(.send(on: near.fileDescriptor, UnsafeRawBufferPointer(byte), token: 1))
    #expect(try ring.complete(1).map(\.errno) == [.brokenPipe])
  }

  // MARK: Ending

  @Test("a shutdown ends one direction, and a close the descriptor")
  func shutdownAndClose() throws {
    var ring = try Ring()
    let (near, far) = try Socket.pair()
    let owned = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered()
    let number = owned.release()
    near.close()
    try ring.prepare(.shutdown(number, .writing, token: 1))
    #expect(try ring.complete(1).map(\.result) == [0])
    #expect(kernelReadiness(of: far.fileDescriptor, for: .read) == [.readable, .readClosed])
    #expect(try far.fileDescriptor.take() == 0)
    try ring.prepare(.close(number, token: 2))
    #expect(try ring.complete(1).map(\.result) == [0])
    #expect(kernelReadiness(of: number, for: .read) == [.invalid])
    #expect(eventually { kernelReadiness(of: far.fileDescriptor, for: .read).contains(.hangUp) })
    try ring.prepare(.close(number, token: 3))
    #expect(try ring.complete(1).map(\.errno) == [.badFileDescriptor])
  }
}
