/// What has passed through each thread, sampled regularly over the last minute.
struct FlowHistory {
  struct Sample {
    /// When it was taken, in nanoseconds: see ``MonotonicClock/now``.
    let time: Int
    /// The flow of each thread until then.
    let threads: [Flow]

    var total: Flow { threads.reduce(Flow(), +) }
  }

  /// The time between two samples.
  static let interval = Duration.milliseconds(500)
  /// A minute, and the sample that it begins with.
  private static let capacity = 121
  /// The number of intervals that the present rates cover: a second.
  private static let present = 2

  private(set) var samples: [Sample] = []

  mutating func append(_ sample: Sample) {
    if samples.count == Self.capacity { samples.removeFirst() }
    samples.append(sample)
  }

  /// The rates between each sample and the one before, oldest first, with the time of the later one.
  var rates: [(time: Int, rates: FlowRates)] {
    zip(samples, samples.dropFirst()).map { earlier, later in
      (later.time, Self.rates(from: earlier, to: later))
    }
  }

  /// The rates of all threads together in the last second.
  var presentRates: FlowRates {
    guard let (earlier, later) = presentSamples else { return FlowRates(Flow(), in: 0) }
    return Self.rates(from: earlier, to: later)
  }

  /// The rates of one thread in the last second.
  func presentRates(ofThreadAt index: Int) -> FlowRates {
    guard let (earlier, later) = presentSamples else { return FlowRates(Flow(), in: 0) }
    return FlowRates(later.threads[index] - earlier.threads[index], in: later.time - earlier.time)
  }

  private var presentSamples: (Sample, Sample)? {
    guard let later = samples.last else { return nil }
    return (samples[max(0, samples.count - 1 - Self.present)], later)
  }

  private static func rates(from earlier: Sample, to later: Sample) -> FlowRates {
    FlowRates(later.total - earlier.total, in: later.time - earlier.time, threads: later.threads.count)
  }
}
