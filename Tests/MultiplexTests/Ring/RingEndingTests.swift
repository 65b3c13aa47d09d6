import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Waiting until the kernel is done with everything.
@Suite("Ring, cancelling all", .needsRing) struct RingEndingTests {
  @Test("operations of all kinds are cancelled, and all completions are returned", arguments: [false, true])
  func kinds(isSingleIssuer: Bool) throws {
    var ring = try Ring(isSingleIssuer: isSingleIssuer)
    let pipe = try PipeDescriptors()
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 1)
    defer { unsafe memory.deallocate() }
    try ring.prepare(.nop(token: 1))
    try ring.submit()
    unsafe try ring.prepare(.read(from: pipe.reader.fileDescriptor, into: memory, token: 2))
    try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, isMultishot: true, token: 3))
    try ring.submit()
    // Prepared only.
    try ring.prepare(.accept(on: listener.fileDescriptor, isMultishot: true, token: 4))
    let completions = try ring.cancelAllAndWait()
    #expect(Set(completions.map(\.token)) == [1, 2, 3, 4])
    #expect(completions.filter { $0.token > 1 }.allSatisfy { $0.errno == .canceled && !$0.hasMore })
    #expect(try ring.cancelAllAndWait().isEmpty)
    try ring.prepare(.nop(token: 5))
    #expect(try ring.complete(1).map(\.token) == [5])
  }

  @Test("a ring with room for a single operation can cancel all", arguments: [false, true])
  func smallest(isSingleIssuer: Bool) throws {
    var ring = try Ring(entries: 1, isSingleIssuer: isSingleIssuer)
    let pipe = try PipeDescriptors()
    for token in 1...3 as ClosedRange<UInt64> {
      try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, token: token))
    }
    #expect(Set(try ring.cancelAllAndWait().map(\.token)) == [1, 2, 3])
    #expect(try ring.cancelAllAndWait().isEmpty)
  }

  @Test("a read that can't be stopped is waited for: its memory doesn't change afterwards", arguments: [false, true])
  func unstoppable(isSingleIssuer: Bool) throws {
    let file = try TemporaryFolder().makeFile()
    let size = 64 << 20
    try file.fileDescriptor.resize(to: Int64(size))
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
    defer { unsafe memory.deallocate() }
    for _ in 0..<3 {
      for page in stride(from: 0, to: size, by: 4096) { unsafe memory[page] = 1 }
      var ring = try Ring(isSingleIssuer: isSingleIssuer)
      // IORING_OP_READ, by another thread (IOSQE_ASYNC): otherwise it would be done when it is submitted.
      try ring.prepare(
        unsafe Ring.Submission(
          opcode: 22, on: file.fileDescriptor, flags: 1 << 4, address: UInt64(UInt(bitPattern: memory.baseAddress)),
          length: UInt32(size), token: 7))
      try ring.submit()
      #expect(try ring.cancelAllAndWait().map(\.token) == [7])
      let read = unsafe untouchedPages(of: memory)
      // It would go on for longer than this.
      block(for: .milliseconds(20))
      #expect(unsafe untouchedPages(of: memory) == read)
    }
  }

  private func untouchedPages(of memory: UnsafeMutableRawBufferPointer) -> Int {
    stride(from: 0, to: memory.count, by: 4096).count { unsafe memory[$0] == 1 }
  }

  @Test("a ring that skips completions refuses, as it can't know")
  func skipping() throws {
    var ring = try Ring()
    try ring.prepare(.nop(token: 1).skippingSuccess())
    let error = #expect(throws: MultiplexError.self) { try ring.cancelAllAndWait() }
    #expect(error?.reason == .invalidArgument)
    // It can still be used.
    try ring.prepare(.nop(token: 2))
    #expect(try ring.complete(1).map(\.token) == [2])
  }

  @Test("operations that belong together are submitted together, and more than the queue holds are refused")
  func together() throws {
    var ring = try Ring(entries: 4)
    let missing = FileDescriptor(rawValue: .max)
    for prepared in 0...4 {
      for token in 0..<prepared { try ring.prepare(.nop(token: UInt64(token))) }
      try ring.prepare(together: [
        .shutdown(missing, .writing, token: 10).linkedToNext(), .nop(token: 11).linkedToNext(), .nop(token: 12),
      ])
      let completions = try ring.complete(prepared + 3)
      #expect(completions.suffix(3).map(\.token) == [10, 11, 12])
      #expect(completions.suffix(3).map(\.errno) == [.badFileDescriptor, .canceled, .canceled])
    }
    let error = #expect(throws: MultiplexError.self) {
      try ring.prepare(together: (0..<5).map { .nop(token: $0) })
    }
    #expect(error?.reason == .invalidArgument)
    #expect(ring.preparedCount == 0)
  }
}
