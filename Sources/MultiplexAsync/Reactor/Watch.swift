/// One wait of a task for a driver. Belongs to the thread of its event loop.
final class Watch<Outcome: Sendable>: @unchecked Sendable {
  typealias Beginning = @Sendable (any Driver, @escaping (Outcome) -> Void) throws -> (any DriverWait)?

  private var wait: (any DriverWait)?
  private var waiter: Waiter<Result<Outcome, any Error>>?
  /// A cancellation may come before the beginning.
  private var isCancelled = false

  func begin(_ body: Beginning, by driver: any Driver, _ waiter: Waiter<Result<Outcome, any Error>>) {
    self.waiter = waiter
    guard !isCancelled else { return end(.failure(CancellationError())) }
    do {
      let wait = try body(driver) { self.end(.success($0)) }
      // It may have ended at once.
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
