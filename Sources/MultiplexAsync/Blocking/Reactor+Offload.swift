internal import Multiplex

extension Reactor {
  /// Runs code that blocks on a thread made for such code, and suspends the calling task meanwhile: a look-up of a name,
  /// a file on a slow disk, a C library that knows nothing else. The reactor goes on, and so does Swift's pool of threads.
  ///
  /// At most 64 threads of the process do so at a time; further calls wait for their turn. Names in a `HostPort` are looked up
  /// on threads of their own, at most 16.
  ///
  /// - Returns: What the code returns.
  /// - Throws: What the code throws. `CancellationError`, at once when the task is cancelled: nobody can end code that
  ///   blocks, so it goes on if it has begun, and what it returns is dropped. `MultiplexError`, if there can be no thread.
  public func offload<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await offload(to: .shared, body)
  }

  func offload<Value: Sendable>(
    to threads: BlockingThreads, _ body: @escaping @Sendable () throws -> Value
  ) async throws -> Value {
    let call = BlockingCall<Value>()
    let result = await withTaskCancellationHandler {
      await Waiter.suspend { waiter in
        guard call.begin(waiter) else { return }
        threads.run {
          // What was cancelled before its turn has come would delay the others for nothing.
          guard !call.isOver else { return }
          call.end(Result(catching: body))
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
