public import Multiplex
internal import Synchronization

/// Several reactors, each with its own thread, that share the work.
///
///     let group = try ReactorGroup()
///     let listener = try await ListenerGroup.bind(to: "127.0.0.1:9999", on: group)
///     await listener.serve { connection in ... }
///
/// Work stays on the reactor it started on: a connection and its tasks never change threads.
public final class ReactorGroup: Sendable {
  /// The reactors, at least one.
  public let reactors: [Reactor]
  private let turn = Atomic<Int>(0)

  /// Starts the reactors' threads.
  ///
  /// - Parameters:
  ///   - count: How many; nil, or zero or less, makes one for each processor that the process may use.
  ///   - backend: How each of them waits: see ``Reactor/init(backend:observer:)``.
  ///   - observer: Notified of what happens on each of the reactors, by their threads concurrently.
  /// - Throws: As ``Reactor/init(backend:observer:)`` does; no thread is left then.
  public convenience init(
    count: Int? = nil, backend: Poller.Backend? = nil, observer: (any ReactorObserver)? = nil
  ) throws(MultiplexError) {
    try self.init(count: count, backend: backend) { _ in observer }
  }

  /// Starts the reactors' threads, each with its own observer, which then needs no lock.
  ///
  /// - Parameters:
  ///   - count: How many; nil, or zero or less, makes one for each processor that the process may use.
  ///   - backend: How each of them waits: see ``Reactor/init(backend:observer:)``.
  ///   - makeObserver: Makes the observer of the reactor with this index.
  /// - Throws: As ``Reactor/init(backend:observer:)`` does; no thread is left then.
  public init(
    count: Int? = nil, backend: Poller.Backend? = nil,
    makeObserver: (_ index: Int) -> (any ReactorObserver)?
  ) throws(MultiplexError) {
    let count = count ?? 0
    var reactors: [Reactor] = []
    for index in 0..<(count > 0 ? count : Processors.usable) {
      reactors.append(try Reactor(backend: backend, observer: makeObserver(index)))
    }
    self.reactors = reactors
  }

  /// Returns the next reactor, round robin, from any thread.
  public func next() -> Reactor {
    let turn = turn.wrappingAdd(1, ordering: .relaxed).oldValue
    return reactors[Int(UInt(bitPattern: turn) % UInt(reactors.count))]
  }
}
