import CTestSupport
import CMultiplex
import Multiplex
import SystemPackage
import TestSupport
import Testing

/// A forked child that closes what it has inherited leaves its parent's as it was, though the queues are shared.
///
/// Each test is its own process, in which nothing else runs. The child of another could wait forever for a lock of the
/// runtime that some thread held when it was forked.
@Suite("Ring, forked", .needsRing) struct RingForkTests {
  @Test("a child that closes its parent's poller cancels nothing, whatever the parent has prepared meanwhile")
  func poller() async {
    await #expect(processExitsWith: .success) {
      let poller = try Poller(backend: .ioUring)
      let (edge, edgePeer) = try Socket.pair()
      let (other, otherPeer) = try Socket.pair()
      try poller.register(edge, for: .read, mode: .edge, token: 1)
      try poller.register(other, for: .read, token: 2)
      try edgePeer.fileDescriptor.put()
      try #require(try poller.tokens(within: patience) == [1])
      try #require(try poller.tokens() == [])
      let child = try Child { poller.close() }
      // It stays in the queue until the next wait.
      try poller.modify(other, for: .read)
      try #require(try child.go() == 0)
      for _ in 0..<3 { try #require(try poller.tokens() == [], "the edge has been reported") }
      try otherPeer.fileDescriptor.put()
      for _ in 0..<2 { try #require(try poller.tokens() == [2]) }
    }
  }

  @Test("a child in which a ring ends leaves the parent its buffers")
  func group() async {
    await #expect(processExitsWith: .success) {
      for isSingleIssuer in [true, false] {
        var ring: Ring? = try Ring(isSingleIssuer: isSingleIssuer)
        let (near, far) = try Socket.pair()
        let group = try BufferGroup(id: 3, capacity: 4, bufferSize: 16)
        try ring?.register(group)
        group.provide(2)
        try ring?.prepare(.nop())
        try #require(try ring?.complete(1).count == 1)
        try #require(try Child { ring = nil }.go() == 0)
        try far.fileDescriptor.put()
        try ring?.prepare(.receive(on: near.fileDescriptor, intoGroup: 3, token: 1))
        try #require(try ring?.complete(1).map(\.buffer) == [2])
      }
    }
  }

  @Test("an operation in progress when a ring ends no longer writes to memory, though a child has the ring")
  func memory() async {
    await #expect(processExitsWith: .success) {
      for isSingleIssuer in [true, false] {
        let (near, far) = try Socket.pair()
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 1)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
        var ring: Ring? = try Ring(isSingleIssuer: isSingleIssuer)
        try unsafe ring?.prepare(.receive(on: near.fileDescriptor, into: memory, token: 1))
        try ring?.submit()
        let child = try Child {}
        ring = nil
        try far.fileDescriptor.put(16)
        // What the kernel has to do for this thread it does when a call returns.
        #expect(try near.fileDescriptor.take(16) == 16)
        let isUntouched = unsafe memory.allSatisfy { $0 == 0 }
        try #require(isUntouched)
        try #require(try child.go() == 0)
        unsafe memory.deallocate()
      }
    }
  }

  #if MULTIPLEX_FAULTS
    @Test("a child that closes its parent's poller doesn't submit on its behalf even if the kernel allows it (5.19)")
    func withoutSingleIssuer() async {
      await #expect(processExitsWith: .success) {
        let poller = try Self.onOldKernel { try Poller(backend: .ioUring) }
        let (near, far) = try Socket.pair()
        try poller.register(near, for: .read, token: 1)
        try #require(try poller.tokens() == [])
        try #require(try Child { poller.close() }.go() == 0)
        // With the kernel ahead of its queue, the parent would never finish submitting.
        alarm(20)
        try far.fileDescriptor.put()
        try #require(try poller.tokens(within: patience) == [1])
        try poller.unregister(near)
        try #require(try poller.tokens() == [])
      }
    }

    /// Makes the kernel refuse single-issuer rings, and what was added after them.
    private static func onOldKernel<Value>(_ body: () throws -> Value) throws -> Value {
      func plan(_ seed: UInt64) -> FaultPlan {
        FaultPlan(seed: seed, oneIn: 2, faults: [.io_uring_setup: [.invalidArgument]])
      }
      let seed = try #require(
        (0..<1000).first { seed in
          FaultPlan.$current.withValue(plan(seed)) {
            guard let ring = try? Ring(isSingleIssuer: true) else { return false }
            return ring.features.setup & (cmx_SETUP_SINGLE_ISSUER | cmx_SETUP_COOP_TASKRUN) == cmx_SETUP_COOP_TASKRUN
          }
        })
      return try FaultPlan.$current.withValue(plan(seed)) { try body() }
    }
  #endif

  /// A child that calls a function when told to, and exits.
  private final class Child {
    private let start: PipeDescriptors
    private let process: pid_t

    init(_ body: () -> Void) throws {
      start = try PipeDescriptors()
      try start.reader.setNonBlocking(false)
      let reader = start.reader.fileDescriptor.rawValue
      process = withoutActuallyEscaping(body) { body in
        var body = body
        return unsafe withUnsafeMutablePointer(to: &body) { body in
          unsafe cts_call_in_child(
            reader, { body in unsafe body?.assumingMemoryBound(to: (() -> Void).self).pointee() }, body)
        }
      }
    }

    /// - Returns: The child's status.
    func go() throws -> Int32 {
      try start.writer.fileDescriptor.put()
      return cts_reap(process)
    }
  }
}
