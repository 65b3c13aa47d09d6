import Multiplex

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The counterpart of peers/poller-loop.c with the library; the work is described there.
///
///     poller-bench poller|poller-edge|multiplexer chain|idle BACKEND PAIRS ACTIVE TIMES
@main
struct PollerBench {
  private let backend: Poller.Backend
  private let times: Int
  private var work: Work

  static func main() throws {
    let arguments = CommandLine.arguments
    let numbers = arguments.dropFirst(4).compactMap { Int($0) }
    guard arguments.count == 7, numbers.count == 3, numbers.allSatisfy({ $0 > 0 }), numbers[0] >= numbers[1],
      let backend = Poller.Backend(arguments[3])
    else {
      print("usage: poller-bench poller|poller-edge|multiplexer chain|idle BACKEND PAIRS ACTIVE TIMES")
      exit(2)
    }
    let work = try Work(isChain: arguments[2] == "chain", pairs: numbers[0], active: numbers[1])
    var bench = PollerBench(backend: backend, times: numbers[2], work: work)
    switch arguments[1] {
    case "poller": try bench.runPoller(.level) { $0.found($1) }
    case "poller-edge": try bench.runPoller(.edge) { $0.foundAll($1) }
    default: try bench.runMultiplexer()
    }
  }

  /// Measures `Poller`.
  ///
  /// - Parameters:
  ///   - mode: The trigger mode.
  ///   - found: Handles a pair that is readable.
  @inline(__always)
  private mutating func runPoller(_ mode: TriggerMode, _ found: (inout Work, Int) -> Void) throws {
    let poller = try Poller(backend: backend)
    for (index, pair) in work.pairs.enumerated() {
      try poller.register(pair.reader, for: .read, mode: mode, token: UInt64(index))
    }
    try measure { work in
      for event in try poller.wait() where event.isReadable { found(&work, Int(event.token)) }
    }
  }

  private mutating func runMultiplexer() throws {
    let multiplexer = try Multiplexer<Int>(backend: backend)
    for (index, pair) in work.pairs.enumerated() {
      try multiplexer.register(pair.reader, for: .read, attachment: index)
    }
    try measure { work in
      for event in try multiplexer.wait() where event.isReadable { work.found(event.registration.attachment) }
    }
  }

  /// Prints the nanoseconds of processor time per event, and the sum of the numbers of what was ready.
  @inline(__always)
  private mutating func measure(_ turn: (inout Work) throws -> Void) throws {
    if !work.isChain { work.start() }
    try work.repeated(times / 10 + 1, turn)  // warms up
    work.forget()
    let begin = Self.processorTime
    try work.repeated(times, turn)
    print((Self.processorTime - begin) / Double(work.events), work.sum)
  }

  private static var processorTime: Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }
}
