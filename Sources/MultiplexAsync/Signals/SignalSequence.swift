internal import Multiplex
internal import Synchronization

/// The signals that the process receives, one after the other: see ``Reactor/signals(_:)``.
///
/// It has no end of its own. It ends for a task that is cancelled.
public struct SignalSequence: AsyncSequence, Sendable {
  /// The number of a signal, such as `SIGTERM`.
  public typealias Element = Int32
  /// A wait for signals doesn't fail.
  public typealias Failure = Never

  private let reactor: Reactor
  private let catcher: SignalCatcher
  /// Signals that have been taken from the catcher, and are to be returned next.
  private let taken: Taken

  /// How long to rest when nothing can be waited for.
  private static let pause = Duration.milliseconds(100)

  private final class Taken: Sendable {
    let signals = Mutex<[Int32]>([])
  }

  init(_ catcher: SignalCatcher, on reactor: Reactor) {
    self.catcher = catcher
    self.reactor = reactor
    taken = Taken()
  }

  /// Waits for the signals. Iterators of one sequence share them: each signal comes to one of them.
  public func makeAsyncIterator() -> Iterator { Iterator(sequence: self) }

  /// Waits for one signal after the other.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let sequence: SignalSequence

    /// The next signal; nil when the task is cancelled.
    public mutating func next() async -> Int32? { await sequence.next() }

    /// The next signal; nil when the task is cancelled.
    public mutating func next(isolation actor: isolated (any Actor)?) async -> Int32? { await sequence.next() }
  }

  private func next() async -> Int32? {
    while !Task.isCancelled {
      if let signal = takeNext() { return signal }
      await waitForNext()
    }
    return nil
  }

  /// Fails when it is cancelled, which ends the sequence, or when memory is short: then it is to be tried again later.
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
      // What is left is for whoever asks next, who may be waiting already.
      if signals.count > 1 { catcher.announce() }
      return signals.removeFirst()
    }
  }
}
