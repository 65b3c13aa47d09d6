internal import Multiplex
internal import Synchronization

/// The signals that the process receives, in sequence: see ``Reactor/signals(_:)``.
///
/// Endless; ends only when the iterating task is cancelled.
public struct SignalSequence: AsyncSequence, Sendable {
  /// The number of a signal, such as `SIGTERM`.
  public typealias Element = Int32
  /// A wait for signals doesn't fail.
  public typealias Failure = Never

  private let reactor: Reactor
  private let catcher: SignalCatcher
  /// Signals that were taken from the catcher but not returned yet.
  private let taken: Taken

  /// How long to sleep when waiting fails.
  private static let pause = Duration.milliseconds(100)

  private final class Taken: Sendable {
    let signals = Mutex<[Int32]>([])
  }

  init(_ catcher: SignalCatcher, on reactor: Reactor) {
    self.catcher = catcher
    self.reactor = reactor
    taken = Taken()
  }

  /// Makes an iterator. Iterators of one sequence share its signals: each signal is returned by one of them.
  public func makeAsyncIterator() -> Iterator { Iterator(sequence: self) }

  /// Waits for one signal after the other.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let sequence: SignalSequence

    /// Returns the next signal; nil when the task is cancelled.
    public mutating func next() async -> Int32? { await sequence.next() }

    /// Returns the next signal; nil when the task is cancelled.
    public mutating func next(isolation actor: isolated (any Actor)?) async -> Int32? { await sequence.next() }
  }

  private func next() async -> Int32? {
    while !Task.isCancelled {
      if let signal = takeNext() { return signal }
      await waitForNext()
    }
    return nil
  }

  /// Waits for a signal. Ends early when the task is cancelled, which ends the sequence, or when memory is short: then
  /// try again later.
  private func waitForNext() async {
    do {
      _ = try await reactor.readiness(of: catcher, for: .read)
    } catch {
      try? await reactor.sleep(for: Self.pause)
    }
  }

  private func takeNext() -> Int32? {
    taken.signals.withLock { signals in
      if signals.isEmpty { signals = catcher.take() }
      guard !signals.isEmpty else { return nil }
      // The rest is for the next caller, which may already be waiting.
      if signals.count > 1 { catcher.announce() }
      return signals.removeFirst()
    }
  }
}
