import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("Timeout") struct TimeoutTests {
  @Test(
    "nanoseconds and milliseconds are rounded up, never down, and by less than one",
    arguments: 1...20 as ClosedRange<UInt64>)
  func roundedUp(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      // From attoseconds to days, with short ones as likely as long ones.
      let attoseconds = Int64.random(in: 0 ... .max >> Int64.random(in: 1..<63, using: &random), using: &random)
      let duration = Duration(secondsComponent: attoseconds % 100_000, attosecondsComponent: attoseconds)
      let (seconds, remainder) = Timeout.nanoseconds(duration)
      let exact = Duration.seconds(seconds) + .nanoseconds(remainder)
      #expect(exact >= duration && exact - duration < .nanoseconds(1))
      #expect((0..<1_000_000_000).contains(remainder))
      let coarse = Duration.milliseconds(Int64(Timeout.milliseconds(duration)))
      #expect(coarse >= duration && coarse - duration < .milliseconds(1))
    }
  }

  @Test("the smallest nonzero duration isn't rounded to zero")
  func smallest() {
    let attosecond = Duration(secondsComponent: 0, attosecondsComponent: 1)
    #expect(Timeout.nanoseconds(attosecond).remainder == 1)
    #expect(Timeout.milliseconds(attosecond) == 1)
  }

  @Test("durations just below a second round up to a full second")
  func carry() {
    let nearly = Duration.seconds(3) - Duration(secondsComponent: 0, attosecondsComponent: 1)
    #expect(Timeout.nanoseconds(nearly).seconds == 3)
    #expect(Timeout.nanoseconds(nearly).remainder == 0)
    #expect(Timeout.milliseconds(nearly) == 3000)
  }

  @Test("zero and negative durations become zero", arguments: [Duration.zero, .nanoseconds(-1), .seconds(Int64.min)])
  func negative(duration: Duration) {
    #expect(Timeout.nanoseconds(duration).seconds == 0)
    #expect(Timeout.nanoseconds(duration).remainder == 0)
    #expect(Timeout.milliseconds(duration) == 0)
  }

  @Test("a duration longer than the kernel can count becomes the longest one")
  func longest() {
    let longest = Duration.seconds(Int64.max) + .nanoseconds(999_999_999)
    #expect(Timeout.nanoseconds(longest).seconds == .max)
    #expect(Timeout.nanoseconds(Duration(attoseconds: .max)).seconds == .max)
    #expect(Timeout.milliseconds(Duration(attoseconds: .max)) == .max)
    #expect(Timeout.milliseconds(longest) == .max)
    #expect(Timeout.milliseconds(.milliseconds(Int32.max)) == .max)
    #expect(Timeout.milliseconds(.seconds(86_400)) == 86_400_000)
  }

  @Test("a moment before all others has passed", arguments: usableBackends)
  func longAgo(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    #expect(try poller.wait(until: .now + Duration(attoseconds: .min)).isEmpty)
    #expect(try poller.wait(until: .now - .seconds(Int64.max)).isEmpty)
  }

  @Test(
    "a timeout beyond all bounds waits and is no error, with every call",
    arguments: [Duration.seconds(Int64.max), .seconds(1 << 62), .seconds(1e20)])
  func beyondAllBounds(timeout: Duration) throws {
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    let waits = [
      SecondParty { try select(reading: [reader], timeout: timeout).reading.count },
      SecondParty {
        var set = PollSet()
        try set.register(reader, for: .in)
        return try set.poll(timeout: timeout).count
      },
      SecondParty {
        let epoll = try Epoll()
        try epoll.register(reader, for: .in)
        return try epoll.wait(timeout: timeout).count
      },
      SecondParty {
        let poller = try Poller()
        try poller.register(reader, for: .read)
        return try poller.wait(until: .now + timeout).map(\.token).count
      },
    ]
    for wait in waits {
      #expect(eventually { wait.isAsleep })
      #expect(!wait.isDone)
    }
    try pipe.writer.put("x")
    for wait in waits { #expect(try wait.join() == 1) }
  }
}
