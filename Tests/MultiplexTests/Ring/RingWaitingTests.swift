import Multiplex
import SystemPackage
import TestSupport
import Testing

/// How long a ring waits, and what ends that.
@Suite("Ring, waiting", .needsRing) struct RingWaitingTests {
  @Test(
    "a wait that times out lasts its full time, whether or not it submits something",
    arguments: [Duration.nanoseconds(1), .microseconds(700), .milliseconds(50)], [false, true])
  func timeout(timeout: Duration, submits: Bool) throws {
    var ring = try Ring(isSingleIssuer: true)
    let pipe = try PipeDescriptors()
    if submits { try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, token: 1)) }
    let start = ContinuousClock.now
    let taken = try ring.submitAndWait(timeout: timeout)
    #expect(ContinuousClock.now - start >= timeout)
    #expect(taken == (submits ? 1 : 0))
    #expect(ring.nextCompletion() == nil)
  }

  @Test("a wait continues until there are as many completions as requested")
  func count() throws {
    var ring = try Ring()
    let pipe = try PipeDescriptors()
    try ring.prepare(.nop())
    try ring.prepare(.nop())
    try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, token: 1))
    let writer = pipe.writer.fileDescriptor
    let waiter = KernelThread()
    try withThread {
      waiter.awaitSleep()
      try writer.put()
    } while: {
      try ring.submitAndWait(for: 3, timeout: patience)
      #expect(ring.completionCount == 3)
    }
  }

  @Test("a wait for more completions than there is room for ends when there is no more room")
  func moreThanRoom() throws {
    var ring = try Ring(entries: 4, completions: 4)
    for _ in 0..<4 { try ring.prepare(.nop()) }
    try ring.submitAndWait(for: .max, timeout: patience)
    #expect(ring.completionCount == 4)
  }

  @Test(
    "zero and negative timeouts submit without waiting", arguments: [Duration.zero, .seconds(-1), .seconds(Int64.min)])
  func noWait(timeout: Duration) throws {
    var ring = try Ring()
    let pipe = try PipeDescriptors()
    try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, token: 1))
    let start = ContinuousClock.now
    let taken = try ring.submitAndWait(for: 5, timeout: timeout)
    #expect(taken == 1)
    #expect(ContinuousClock.now - start < .seconds(20))
  }

  @Test("the longest possible timeout is accepted")
  func longest() throws {
    var ring = try Ring()
    try ring.prepare(.nop(token: 3))
    try ring.submitAndWait(timeout: .seconds(Int64.max))
    #expect(ring.nextCompletion()?.token == 3)
  }

  @Test("signals neither end a wait nor make it start over", arguments: [false, true])
  func signals(submits: Bool) throws {
    try expectToOutlastInterruptions { timeout in
      var ring = try Ring(isSingleIssuer: true)
      let pipe = try PipeDescriptors()
      if submits { try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, token: 1)) }
      try ring.submitAndWait(timeout: timeout)
      return ring.nextCompletion() == nil
    }
  }

  @Test("the ring's descriptor is readable while there are completions")
  func descriptor() throws {
    var ring = try Ring()
    #expect(kernelReadiness(of: ring.fileDescriptor, for: .read) == [])
    try ring.prepare(.nop())
    try ring.submit()
    #expect(kernelReadiness(of: ring.fileDescriptor, for: .read) == [.readable])
    _ = ring.nextCompletion()
    #expect(kernelReadiness(of: ring.fileDescriptor, for: .read) == [])
  }

  @Test("work that the kernel has deferred is seen without a system call")
  func pendingWork() throws {
    var ring = try Ring(isSingleIssuer: true)
    try #require(ring.features.defersWork)
    let pipe = try PipeDescriptors()
    try ring.prepare(.poll(pipe.reader.fileDescriptor, for: .in, token: 1))
    try ring.submit()
    let before = ring.hasPendingWork
    try pipe.writer.fileDescriptor.put()
    let after = (ring.hasPendingWork, ring.completionCount)
    #expect(!before)
    #expect(after == (true, 0))
    try ring.submit()
    let end = (ring.hasPendingWork, ring.completionCount)
    #expect(end == (false, 1))
  }
}
