#if MULTIPLEX_FAULTS
  import Synchronization
  package import SystemPackage

  /// Makes system calls fail, or move fewer bytes than requested, reproducibly from a seed.
  ///
  /// Exists only in debug builds, for tests. Its results must be possible results of the kernel. A plan applies to the
  /// task, or the synchronous code, that runs inside `FaultPlan.$current.withValue(plan) { ... }`.
  package final class FaultPlan: Sendable {
    @TaskLocal package static var current: FaultPlan?

    private struct State {
      var random: SplitMix64
      var injected = 0
      var calls: [SystemCall: Int] = [:]
    }

    private let faults: [SystemCall: [Errno]]
    private let oneIn: UInt64
    private let state: Mutex<State>

    /// - Parameters:
    ///   - seed: The same seed reproduces a run exactly if the calls come in the same order.
    ///   - oneIn: How often a fault occurs: once in this many calls, on average.
    ///   - faults: The errors that each call may fail with. Calls that move bytes are cut short as often.
    package init(seed: UInt64, oneIn: UInt64, faults: [SystemCall: [Errno]]) {
      self.faults = faults
      self.oneIn = max(1, oneIn)
      self.state = Mutex(State(random: SplitMix64(seed: seed)))
    }

    /// How many calls have failed or been cut short by the plan so far.
    package var injected: Int { state.withLock { $0.injected } }

    /// How often a call has been made so far, including those that failed by the plan.
    package func count(of call: SystemCall) -> Int { state.withLock { $0.calls[call] ?? 0 } }

    func check(_ call: SystemCall) throws(Errno) {
      state.withLock { $0.calls[call, default: 0] += 1 }
      guard let choices = faults[call], !choices.isEmpty, let roll = strike() else { return }
      throw choices[Int(roll % UInt64(choices.count))]
    }

    func shorten(_ count: Int) -> Int {
      guard count > 1, let roll = strike() else { return count }
      return 1 + Int(roll % UInt64(count - 1))
    }

    /// Returns a random number if a fault is due; otherwise nil.
    private func strike() -> UInt64? {
      state.withLock { state in
        guard state.random.next() % oneIn == 0 else { return nil }
        state.injected += 1
        return state.random.next()
      }
    }
  }
#endif
