import CMultiplex
import Multiplex
import Synchronization
import TestSupport
import Testing

/// The two queues by themselves, on memory that stands in for the kernel's. Positions wrap around at 2^32.
@Suite("Ring, queues") struct QueueTests {
  /// Memory for a queue, zeroed.
  @safe private final class Memory {
    let head = UnsafeMutableRawPointer.allocate(byteCount: 4, alignment: 64)
    let tail = UnsafeMutableRawPointer.allocate(byteCount: 4, alignment: 64)
    let entries: UnsafeMutableRawPointer

    init(bytes: Int, at position: UInt32) {
      unsafe entries = .allocate(byteCount: bytes, alignment: 64)
      unsafe entries.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
      unsafe head.storeBytes(of: position, as: UInt32.self)
      unsafe tail.storeBytes(of: position, as: UInt32.self)
    }

    deinit {
      unsafe head.deallocate()
      unsafe tail.deallocate()
      unsafe entries.deallocate()
    }

    var headPosition: UInt32 {
      get { unsafe head.load(as: UInt32.self) }
      set { unsafe head.storeBytes(of: newValue, as: UInt32.self) }
    }
    var tailPosition: UInt32 {
      get { unsafe tail.load(as: UInt32.self) }
      set { unsafe tail.storeBytes(of: newValue, as: UInt32.self) }
    }
  }

  @Test(
    "submissions are where the kernel looks for them, across the wrap-around", arguments: 1...20 as ClosedRange<UInt64>)
  func submissions(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let capacity = UInt32(1) << UInt32.random(in: 0...6, using: &random)
    let stride = MemoryLayout<cmx_sqe>.stride
    let offset = try #require(MemoryLayout<cmx_sqe>.offset(of: \.user_data))
    let start = UInt32.max - UInt32.random(in: 0...100, using: &random)
    let memory = Memory(bytes: Int(capacity) * stride, at: start)
    var queue = unsafe SubmissionQueue(
      head: memory.head, tail: memory.tail, entries: memory.entries, capacity: capacity)
    // The model counts in 64 bits, where nothing wraps around, and divides instead of masking.
    var (taken, published, appended) = (UInt64(start), UInt64(start), UInt64(start))
    for _ in 0..<4000 {
      switch Int.random(in: 0..<4, using: &random) {
      case 0, 1:
        let hasRoom = queue.append(.nop(token: appended))
        try #require(hasRoom == (appended - taken < capacity))
        if hasRoom { appended += 1 }
      case 2:
        let count = queue.publish()
        published = appended
        try #require(UInt64(count) == published - taken)
        try #require(memory.tailPosition == UInt32(truncatingIfNeeded: published))
      default:
        for _ in 0..<UInt64.random(in: 0...published - taken, using: &random) {
          let place = Int(taken % UInt64(capacity))
          let token = unsafe memory.entries.load(fromByteOffset: place * stride + offset, as: UInt64.self)
          try #require(token == taken)
          taken += 1
        }
        memory.headPosition = UInt32(truncatingIfNeeded: taken)
      }
      try #require(UInt64(queue.count) == appended - taken)
      try #require(queue.isFull == (appended - taken == capacity))
      try #require(
        memory.tailPosition == UInt32(truncatingIfNeeded: published), "nothing is seen before it is published")
    }
    try #require(appended > UInt64(UInt32.max) + 1)
    withExtendedLifetime(memory) {}
  }

  @Test(
    "completions are read from where the kernel put them, across the wrap-around",
    arguments: 1...20 as ClosedRange<UInt64>)
  func completions(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let capacity = UInt32(1) << UInt32.random(in: 0...6, using: &random)
    let stride = MemoryLayout<cmx_cqe>.stride
    let start = UInt32.max - UInt32.random(in: 0...100, using: &random)
    let memory = Memory(bytes: Int(capacity) * stride, at: start)
    let queue = unsafe CompletionQueue(
      head: memory.head, tail: memory.tail, entries: memory.entries, capacity: capacity)
    var (taken, put) = (UInt64(start), UInt64(start))
    for _ in 0..<4000 {
      if Bool.random(using: &random) {
        for _ in 0..<UInt64.random(in: 0...UInt64(capacity) - (put - taken), using: &random) {
          let entry = cmx_cqe(user_data: put, result: Int32(truncatingIfNeeded: put), flags: UInt32(put % 7))
          unsafe memory.entries.storeBytes(
            of: entry, toByteOffset: Int(put % UInt64(capacity)) * stride, as: cmx_cqe.self)
          put += 1
        }
        memory.tailPosition = UInt32(truncatingIfNeeded: put)
      } else if taken < put {
        let expected = Ring.Completion(token: taken, result: Int32(truncatingIfNeeded: taken), flags: UInt32(taken % 7))
        let completion = queue.next()
        try #require(completion == expected)
        taken += 1
      } else {
        let completion = queue.next()
        try #require(completion == nil)
      }
      try #require(UInt64(queue.count) == put - taken)
      try #require(memory.headPosition == UInt32(truncatingIfNeeded: taken), "the kernel may reuse the entry")
    }
    try #require(taken > UInt64(UInt32.max) + 1)
    withExtendedLifetime(memory) {}
  }
}
