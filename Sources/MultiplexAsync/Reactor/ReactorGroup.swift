public import Multiplex
internal import Synchronization

/// Several reactors, each with a thread of its own, that share the work.
///
///     let group = try ReactorGroup()
///     let listener = try await ListenerGroup.bind(to: "127.0.0.1:9999", on: group)
///     await listener.serve { connection in ... }
///
/// What has begun on one of them stays there: a connection and its tasks never change threads.
public final class ReactorGroup: Sendable {
  /// The reactors, at least one.
  public let reactors: [Reactor]
  private let turn = Atomic<Int>(0)

  /// Starts the reactors' threads.
  ///
  /// - Parameters:
  ///   - count: How many; nil, zero and less make one for each processor that the process may use.
  ///   - backend: How each of them waits.
  ///   - observer: Is told what happens on each of the reactors, by their threads at the same time.
  /// - Throws: As ``Reactor/init(backend:observer:)`` does; no thread is left then.
  public convenience init(
    count: Int? = nil, backend: Poller.Backend = Reactor.automaticBackend, observer: (any ReactorObserver)? = nil
  ) throws(MultiplexError) {
    try self.init(count: count, backend: backend) { _ in observer }
  }

  /// Starts the reactors' threads, each with an observer of its own, which needs no lock then.
  ///
  /// - Parameters:
  ///   - count: How many; nil, zero and less make one for each processor that the process may use.
  ///   - backend: How each of them waits.
  ///   - makeObserver: Makes the observer of a reactor, whose index it gets.
  /// - Throws: As ``Reactor/init(backend:observer:)`` does; no thread is left then.
  public init(
    count: Int? = nil, backend: Poller.Backend = Reactor.automaticBackend,
    makeObserver: (_ index: Int) -> (any ReactorObserver)?
  ) throws(MultiplexError) {
    let count = count ?? 0
    var reactors: [Reactor] = []
    for index in 0..<(count > 0 ? count : Processors.usable) {
      reactors.append(try Reactor(backend: backend, observer: makeObserver(index)))
    }
    self.reactors = reactors
  }

  /// The next reactor, round robin, from any thread.
  public func next() -> Reactor {
    let turn = turn.wrappingAdd(1, ordering: .relaxed).oldValue
    return reactors[Int(UInt(bitPattern: turn) % UInt(reactors.count))]
  }
}
