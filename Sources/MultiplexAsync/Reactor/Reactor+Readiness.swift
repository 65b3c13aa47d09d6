public import Multiplex
internal import SystemPackage

extension Reactor {
  /// Suspends the calling task until a descriptor is ready: a C library's socket, a pipe, inotify, a serial port.
  ///
  /// The descriptor is lent: keep it open until this returns; nobody need be told when it is closed after that. Several
  /// tasks may wait for one descriptor, each for something of its own; it must not be a ``Connection``'s.
  ///
  /// - Returns: What it is ready for; never nothing.
  /// - Throws: `CancellationError`, at once when the task is cancelled; ``MultiplexError``, for a descriptor that isn't
  ///   open or can't be waited for.
  public func readiness(
    of descriptor: borrowing some Selectable & ~Copyable, for interest: Interest
  ) async throws -> Readiness {
    try Task.checkCancellation()
    let fd = descriptor.rawDescriptor
    let watch = Watch()
    // A task that runs elsewhere stays there, and goes on from there: a child task on the reactor would cost more.
    let result = await withTaskCancellationHandler {
      await Waiter.suspend { waiter in
        onLoop { watch.begin(fd, interest, on: self.loop, waiter) }
      }
    } onCancel: {
      loop.add(.call { watch.cancel() })
    }
    return try result.get()
  }
}

/// One wait of a task for a descriptor. Belongs to the thread of its event loop.
private final class Watch: @unchecked Sendable {
  private var wait: ReadinessWait?
  private var waiter: Waiter<Result<Readiness, any Error>>?
  /// A cancellation may come before the beginning.
  private var isCancelled = false

  func begin(
    _ fd: Int32, _ interest: Interest, on loop: EventLoop,
    _ waiter: Waiter<Result<Readiness, any Error>>
  ) {
    self.waiter = waiter
    guard !isCancelled else { return end(.failure(CancellationError())) }
    do {
      wait = try loop.driver.awaitReadiness(of: fd, for: interest) { self.end(.success($0)) }
    } catch {
      end(.failure(error))
    }
  }

  func cancel() {
    isCancelled = true
    wait?.cancel()
    end(.failure(CancellationError()))
  }

  private func end(_ result: Result<Readiness, any Error>) {
    wait = nil
    let waiter = self.waiter
    self.waiter = nil
    waiter?.resume(returning: result)
  }
}
