import Multiplex

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The counterpart of peers/poller-loop.c on the library: see there.
///
///     poller-bench poller|multiplexer BACKEND DESCRIPTORS ACTIVE TURNS
@main
struct PollerBench {
  let backend: Poller.Backend
  let turns: Int
  /// The ends that are watched, and those that have written to some of them.
  private var pairs: [(Socket, Socket)] = []

  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    let numbers = arguments.dropFirst(2).compactMap { Int($0) }
    guard let level = arguments.first, numbers.count == 3,
      let backend = arguments.dropFirst().first.flatMap(Poller.Backend.init(named:))
    else {
      print("usage: poller-bench poller|multiplexer epoll|poll|select DESCRIPTORS ACTIVE TURNS")
      exit(2)
    }
    let bench = try PollerBench(backend: backend, descriptors: numbers[0], active: numbers[1], turns: numbers[2])
    if level == "poller" {
      try bench.runPoller()
    } else {
      try bench.runMultiplexer()
    }
  }

  init(backend: Poller.Backend, descriptors: Int, active: Int, turns: Int) throws {
    self.backend = backend
    self.turns = turns
    _ = try OpenFileLimit.raise()
    let step = descriptors / active
    for index in 0..<descriptors {
      let pair = try Socket.pair()
      pairs.append(pair)
      if index.isMultiple(of: step), index / step < active { _ = try pair.1.send([0]) }
    }
  }

  func runPoller() throws {
    let poller = try Poller(backend: backend)
    for (index, pair) in pairs.enumerated() {
      try poller.register(pair.0, for: .read, token: UInt64(index))
    }
    try measure { tally in
      for event in try poller.wait() where event.isReadable { tally.add(event.token) }
    }
  }

  func runMultiplexer() throws {
    let multiplexer = try Multiplexer<UInt64>(backend: backend)
    for (index, pair) in pairs.enumerated() {
      try multiplexer.register(pair.0, for: .read, attachment: UInt64(index))
    }
    try measure { tally in
      for event in try multiplexer.wait() where event.isReadable { tally.add(event.registration.attachment) }
    }
  }

  /// Prints the nanoseconds of processor time per event, and the sum of the numbers of what was ready.
  @inline(__always)
  private func measure(_ turn: (inout Tally) throws -> Void) throws {
    var tally = Tally()
    for _ in 0..<turns / 10 { try turn(&tally) }  // warms up
    tally = Tally()
    let begin = Self.processorTime
    for _ in 0..<turns { try turn(&tally) }
    print((Self.processorTime - begin) / Double(tally.events), tally.sum)
    withExtendedLifetime(pairs) {}
  }

  private static var processorTime: Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }
}

/// What the turns have found.
struct Tally {
  var events = 0
  var sum: UInt64 = 0

  mutating func add(_ number: UInt64) {
    events += 1
    sum += number
  }
}
