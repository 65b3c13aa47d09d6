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
  /// - Parameter count: How many; nil, zero and less make one for each processor that the process may use.
  /// - Throws: As ``Reactor/init(backend:)`` does; no thread is left then.
  public init(count: Int? = nil, backend: Poller.Backend = .automatic) throws(MultiplexError) {
    let count = count ?? 0
    var reactors: [Reactor] = []
    for _ in 0..<(count > 0 ? count : Processors.usable) {
      reactors.append(try Reactor(backend: backend))
    }
    self.reactors = reactors
  }

  /// The next reactor, round robin, from any thread.
  public func next() -> Reactor {
    let turn = turn.wrappingAdd(1, ordering: .relaxed).oldValue
    return reactors[Int(UInt(bitPattern: turn) % UInt(reactors.count))]
  }
}
