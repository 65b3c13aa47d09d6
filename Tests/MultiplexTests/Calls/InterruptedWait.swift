import TestSupport
import Testing

/// Interrupts a wait that finds nothing over and over. It must continue with the remaining time, neither ending early
/// nor starting over.
///
/// - Parameter wait: Waits for the given time, and returns whether it found nothing.
func expectToOutlastInterruptions(
  sourceLocation: SourceLocation = #_sourceLocation, _ wait: @escaping @Sendable (Duration) throws -> Bool
) throws {
  let timeout = Duration.milliseconds(300)
  let before = KernelThread.interruptions
  let waiting = SecondParty {
    let start = ContinuousClock.now
    let isEmpty = try wait(timeout)
    return (isEmpty, ContinuousClock.now - start)
  }
  // A wait that started over each time would never end.
  let hasEnded = eventually(within: .seconds(20)) {
    waiting.interrupt()
    return waiting.isDone
  }
  #expect(hasEnded, sourceLocation: sourceLocation)
  #expect(KernelThread.interruptions > before, sourceLocation: sourceLocation)
  let (isEmpty, time) = try waiting.join()
  #expect(isEmpty, sourceLocation: sourceLocation)
  #expect(time >= timeout, sourceLocation: sourceLocation)
}
