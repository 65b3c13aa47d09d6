#if MULTIPLEX_FAULTS
  internal import Multiplex
#endif

/// What a pump does.
protocol PumpWork: AnyObject {
  /// Is called again and again, until it says that there is something to wait for, or nothing more to do.
  func step() -> Pump.Step
}

extension PumpWork {
  /// The work, with the faults that a test has planned.
  fileprivate var asPlanned: any PumpWork {
    #if MULTIPLEX_FAULTS
      if let plan = FaultPlan.current { return PlannedWork(self, by: plan) }
    #endif
    return self
  }
}

extension Connection {
  /// Has a pump do some work on what comes on this connection, and waits for its end. On the reactor's thread.
  ///
  /// - Parameter output: Where the work writes; a connection of the same reactor.
  /// - Returns: What has gone wrong.
  func pump(to output: Connection, _ work: any PumpWork) async -> ConnectionError? {
    let ids = unsafe (input: stream.makeWaitID(), output: output.stream.makeWaitID())
    let pump = Pump(from: self, to: output, for: work.asPlanned, ids: ids)
    // A task that serves this connection, and writes to no other, is told of its cancellation anyway.
    if ids == (Stream.ownerID, Stream.ownerID) { return await pump.run() }
    return await withTaskCancellationHandler {
      await pump.run()
    } onCancel: {
      reactor.loop.add(.call { pump.cancel() })
    }
  }
}

extension Pump {
  fileprivate func run() async -> ConnectionError? {
    await Waiter.suspend { waiter in start(isCancelled: Task.isCancelled) { waiter.resume(returning: $0) } }
  }
}
