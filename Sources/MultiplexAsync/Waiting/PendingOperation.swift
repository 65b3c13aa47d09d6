/// An operation that one task waits for on an event loop. Belongs to the loop's thread.
final class PendingOperation<Outcome: Sendable>: @unchecked Sendable {
  typealias Beginning = @Sendable (EventLoop, @escaping (Outcome) -> Void) throws -> (any CancellableWait)?

  private var wait: (any CancellableWait)?
  private var waiter: Waiter<Result<Outcome, any Error>>?
  /// The cancellation may arrive before the operation begins.
  private var isCancelled = false

  func begin(_ body: Beginning, on loop: EventLoop, _ waiter: Waiter<Result<Outcome, any Error>>) {
    self.waiter = waiter
    guard !isCancelled else { return end(.failure(CancellationError())) }
    do {
      let wait = try body(loop) { self.end(.success($0)) }
      // It may have ended immediately.
      if self.waiter != nil { self.wait = wait }
    } catch {
      end(.failure(error))
    }
  }

  func cancel() {
    isCancelled = true
    wait?.cancel()
    end(.failure(CancellationError()))
  }

  private func end(_ result: Result<Outcome, any Error>) {
    wait = nil
    let waiter = self.waiter
    self.waiter = nil
    waiter?.resume(returning: result)
  }
}
