// Built for release, the tool can't be imported like this.
#if DEBUG
  @testable import MuxCLI
  import Testing

  @Suite("The throughput over time")
  struct ThroughputSeriesTests {
    /// Notes a point every tenth of a second, at a thousand requests a second.
    private func rates(of seconds: Int) -> [(seconds: Double, perSecond: Double)] {
      var series = ThroughputSeries()
      for tick in 1...10 * seconds { series.append(.init(time: tick * 100_000_000, count: tick * 100)) }
      series.finish(with: .init(time: seconds * 1_000_000_000 + 30_000_000, count: 1000 * seconds + 30))
      return series.rates
    }

    @Test("it has points all along a run, however long that is", arguments: [1, 39, 41, 100, 1000, 10_000])
    func spread(seconds: Int) throws {
      let rates = rates(of: seconds)
      #expect(rates.count <= 400 && rates.count >= min(5 * seconds, 200))
      var begin = 0.0
      let longest = Double(seconds) / Double(min(10 * seconds, 100))
      for rate in rates {
        let length = 2 * (rate.seconds - begin)
        #expect(length > 0 && length < longest + 0.2)
        #expect(abs(rate.perSecond - 1000) < 0.01)
        begin += length
      }
      #expect(abs(begin - Double(seconds) - 0.03) < 0.001)
    }

    @Test("it ends with the measured time, though points were noted later")
    func end() throws {
      var series = ThroughputSeries()
      for tick in 1...5 { series.append(.init(time: tick * 100_000_000, count: tick * 100)) }
      series.finish(with: .init(time: 250_000_000, count: 300))
      let rates = series.rates
      #expect(rates.map(\.perSecond) == [1000, 1000, 2000])
      #expect(rates.last?.seconds == 0.225)
    }
  }
#endif
