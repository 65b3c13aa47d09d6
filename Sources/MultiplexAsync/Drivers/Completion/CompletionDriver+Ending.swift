internal import Multiplex

/// The end of the driver.
extension CompletionDriver {
  /// How long to wait, at the end, for the kernel to release what it borrowed.
  private static let endLimit = Duration.seconds(1)
  /// How long to sleep then when the kernel lacks resources.
  private static let retryDelay = Duration.milliseconds(1)

  func finish() {
    // Channels hold their driver.
    defer {
      handlers = HandlerTable()
      polls = [:]
      notifiers = []
      awaitingSubmission = []
    }
    isEnding = true
    let deadline = ContinuousClock.now + Self.endLimit
    submit(.cancelAll(token: RingOperation.silentToken))
    while operations > 0 || !awaitingSubmission.isEmpty, ContinuousClock.now < deadline {
      takeTurn(for: deadline - .now)
    }
    // Closes descriptors of channels that have waited for the end of their sends.
    repeat { takeTurn(for: .zero) } while (ring.preparedCount > 0 || !backlog.isEmpty) && ContinuousClock.now < deadline
  }

  /// A turn at the end. Where the kernel lacks resources, the next one may succeed: otherwise descriptors whose close
  /// wasn't submitted would stay open.
  private func takeTurn(for limit: Duration) {
    do {
      try wait(for: limit)
      _ = handleEvents()
    } catch {
      Kernel.sleep(for: Self.retryDelay)
    }
  }
}
