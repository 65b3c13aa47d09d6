internal import Multiplex

extension Reactor {
  /// Runs blocking code on a dedicated thread, and suspends the calling task meanwhile: a name lookup, a file on a slow
  /// disk, a C library that has no other interface. Neither the reactor nor Swift's thread pool is blocked.
  ///
  /// At most 64 threads per process run such code; further calls wait their turn. Names in a `HostPort` are looked up
  /// on separate threads, at most 16.
  ///
  /// - Returns: What the code returns.
  /// - Throws: What the code throws. `CancellationError`, immediately if the task is cancelled: blocking code can't be
  ///   interrupted, so it continues if it has begun, and its result is dropped. `MultiplexError`, if no thread can be
  ///   started.
  public func offload<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await offload(to: .shared, body)
  }

  func offload<Value: Sendable>(
    to threads: BlockingThreads, _ body: @escaping @Sendable () throws -> Value
  ) async throws -> Value {
    let call = BlockingCall(of: body)
    let result = await withTaskCancellationHandler {
      await Waiter.suspend { waiter in
        guard call.begin(waiter) else { return }
        threads.run {
          call.run()
        } orElse: { error in
          call.end(.failure(error))
        }
      }
    } onCancel: {
      call.end(.failure(CancellationError()))
    }
    return try result.get()
  }
}
