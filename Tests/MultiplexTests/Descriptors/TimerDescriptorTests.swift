import CMultiplex
import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("TimerDescriptor") struct TimerDescriptorTests {
  @Test("a timer is readable once the time has passed, and not before", arguments: usableBackends)
  func once(backend: Poller.Backend) throws {
    let timer = try TimerDescriptor()
    let poller = try Poller(backend: backend)
    try poller.register(timer, for: .read)
    let start = ContinuousClock.now
    try timer.start(after: .milliseconds(30))
    #expect(try poller.wait(timeout: .seconds(60)).contains { $0.readiness.isReadable })
    #expect(ContinuousClock.now - start >= .milliseconds(30))
    #expect(try timer.takeExpirations() == 1)
    #expect(try timer.takeExpirations() == 0)
    #expect(try poller.wait(timeout: .zero).isEmpty)
    try poller.unregister(timer)
  }

  @Test("a repeating timer expires again and again, and counts unread expirations")
  func again() throws {
    let timer = try TimerDescriptor()
    let start = ContinuousClock.now
    try timer.start(after: .zero, every: .milliseconds(5))
    var count = 0
    while count < 10, try !select(reading: [timer.fileDescriptor], timeout: .seconds(60)).isEmpty {
      count += try timer.takeExpirations()
    }
    #expect(count >= 10)
    // The first expires at once.
    #expect(ContinuousClock.now - start >= .milliseconds(5) * (count - 1))
  }

  @Test("a timer of zero duration expires at once", arguments: [Duration.zero, .seconds(-1), .nanoseconds(1)])
  func noTime(delay: Duration) throws {
    let timer = try TimerDescriptor()
    try timer.start(after: delay)
    #expect(try !select(reading: [timer.fileDescriptor], timeout: .seconds(60)).isEmpty)
    #expect(try timer.takeExpirations() == 1)
  }

  @Test("a timer that isn't running, was stopped or was restarted forgets earlier expirations")
  func stopping() throws {
    let timer = try TimerDescriptor()
    #expect(try timer.takeExpirations() == 0)
    for isStopped in [true, false] {
      try timer.start(after: .zero, every: .seconds(3600))
      #expect(try !select(reading: [timer.fileDescriptor], timeout: .seconds(60)).isEmpty)
      if isStopped { try timer.stop() } else { try timer.start(after: .seconds(3600)) }
      #expect(try select(reading: [timer.fileDescriptor], timeout: .zero).isEmpty)
      #expect(try timer.takeExpirations() == 0)
    }
  }

  @Test(
    "the longest possible times don't expire at once",
    arguments: [Duration.seconds(Int64.max), .seconds(1e15), .seconds(Int64.max) * 2, Duration(attoseconds: .max)])
  func longTimes(time: Duration) throws {
    let timer = try TimerDescriptor()
    try timer.start(after: time, every: time)
    #expect(try select(reading: [timer.fileDescriptor], timeout: .milliseconds(10)).isEmpty)
    #expect(try timer.takeExpirations() == 0)
  }

  @Test("each expiration goes to one of several threads")
  func threads() throws {
    final class Shared: Sendable {
      let timer: TimerDescriptor
      init() throws { timer = try TimerDescriptor() }
    }
    let shared = try Shared()
    try shared.timer.start(after: .zero)
    #expect(try !select(reading: [shared.timer.fileDescriptor], timeout: .seconds(60)).isEmpty)
    let others = (0..<4).map { _ in SecondParty { try shared.timer.takeExpirations() } }
    #expect(try others.map { try $0.join() }.reduce(0, +) == 1)
  }

  @Test("an interval of zero is refused", arguments: [Duration.zero, .seconds(-1)])
  func noInterval(interval: Duration) throws {
    let timer = try TimerDescriptor()
    let error = #expect(throws: MultiplexError.self) { try timer.start(after: .seconds(1), every: interval) }
    #expect(error?.reason == .invalidArgument)
    #expect("\(try #require(error))".contains("longer than zero"))
  }

  @Test("a timer is non-blocking and closed on exec")
  func flags() throws {
    let timer = try TimerDescriptor()
    #expect(try Kernel.fcntl(timer.fileDescriptor.rawValue, F_GETFD) & FD_CLOEXEC != 0)
    #expect(try Kernel.fcntl(timer.fileDescriptor.rawValue, F_GETFL) & O_NONBLOCK != 0)
  }
}
