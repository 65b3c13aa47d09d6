internal import SystemPackage

extension Ring {
  /// The token of the cancellation that ``cancelAllAndWait()`` adds.
  private static let cancellationToken = UInt64.max - 1
  /// The token of the operation that completes after all others.
  private static let lastToken = UInt64.max

  /// Cancels all operations in progress, and waits until every one has completed: then their memory and descriptors may
  /// be used for something else. Operations that can't be stopped, such as a read from a file, are waited for.
  ///
  /// What was prepared is submitted first, and cancelled too. The ring can be used again afterwards. The tokens
  /// `UInt64.max - 1` and `UInt64.max` must not be in use.
  ///
  /// - Returns: The completions of the operations, and those that were waiting to be taken.
  /// - Throws: As ``submit()`` does. ``MultiplexError/Reason/invalidArgument`` if the ring has had operations without a
  ///   completion (``Submission/skippingSuccess()``): the kernel doesn't tell when those are over.
  @discardableResult
  public mutating func cancelAllAndWait() throws(MultiplexError) -> [Completion] {
    guard !skipsCompletions else {
      throw MultiplexError(
        call: "io_uring_enter", descriptor: fileDescriptor, reason: .invalidArgument, errno: .notSupportedOnSocket,
        advice: "a ring with operations that skip their completions can't wait for all of them")
    }
    try prepare(.cancelAll(token: Self.cancellationToken))
    try prepare(Submission.nop(token: Self.lastToken).afterAllOthers())
    var completions: [Completion] = []
    while true {
      try submitAndWait()
      while let completion = nextCompletion() {
        switch completion.token {
        case Self.cancellationToken: continue
        case Self.lastToken: return completions
        default: completions.append(completion)
        }
      }
    }
  }
}
