#if MULTIPLEX_FAULTS
  internal import Multiplex

  /// Work whose system calls fail by the plan of the task that waits for its end: the loop has none itself.
  final class PlannedWork: PumpWork {
    private let work: any PumpWork
    private let plan: FaultPlan

    init(_ work: any PumpWork, by plan: FaultPlan) {
      self.work = work
      self.plan = plan
    }

    func step() -> Pump.Step { FaultPlan.$current.withValue(plan) { work.step() } }
  }
#endif
