public import Multiplex
internal import SystemPackage

extension Reactor {
  /// Suspends the calling task until a descriptor is ready: a C library's socket, a pipe, inotify, a serial port.
  ///
  /// The descriptor is lent: keep it open until this returns. Several tasks may wait for one descriptor, each for
  /// something of its own; it must not be a ``Connection``'s.
  ///
  /// - Returns: What it is ready for; never nothing.
  /// - Throws: `CancellationError`, at once when the task is cancelled; ``MultiplexError``, for a descriptor that isn't
  ///   open or can't be waited for.
  public func readiness(
    of descriptor: borrowing some Selectable & ~Copyable, for interest: Interest
  ) async throws -> Readiness {
    let fd = descriptor.rawDescriptor
    let watch = Watch()
    let result = await run { () async -> Result<Readiness, any Error> in
      await withTaskCancellationHandler {
        await Waiter.suspend { waiter in
          watch.begin(fd, interest, on: self.loop, waiter, isCancelled: Task.isCancelled)
        }
      } onCancel: {
        self.loop.add(.call { watch.cancel() })
      }
    }
    return try result.get()
  }
}

/// One wait of a task for a descriptor. Belongs to the thread of its event loop.
private final class Watch: @unchecked Sendable {
  private var wait: ReadinessWait?
  private var waiter: Waiter<Result<Readiness, any Error>>?

  func begin(
    _ fd: Int32, _ interest: Interest, on loop: EventLoop,
    _ waiter: Waiter<Result<Readiness, any Error>>, isCancelled: Bool
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
