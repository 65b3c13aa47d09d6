import Multiplex
import MultiplexAsync

extension ReactorGroup {
  /// Makes the threads of a server. Prints a warning if a backend that works for one of them isn't available for all.
  ///
  /// - Parameters:
  ///   - count: How many; zero makes one for each processor that the process may use.
  ///   - backend: nil for the automatic one.
  ///   - makeObserver: Makes the observer of the thread with this index.
  static func serving(
    count: Int, backend: Poller.Backend?, makeObserver: (_ index: Int) -> any ReactorObserver
  ) throws(MultiplexError) -> ReactorGroup {
    let group = try ReactorGroup(count: count, backend: backend, makeObserver: makeObserver)
    let expected = backend ?? Reactor.automaticBackend
    let others = group.reactors.count { $0.backend != expected }
    if others > 0 {
      Console.warn(
        """
        \(expected) isn't available for \(others) of \(group.reactors.count) threads, as there is no memory for their \
        rings: raise the limits (ulimit -l, ulimit -v)
        """
      )
    }
    return group
  }

  /// The backends of the threads: usually one.
  var backendNames: String {
    var names: [String] = []
    for reactor in reactors where !names.contains(reactor.backend.name) { names.append(reactor.backend.name) }
    return names.joined(separator: ", ")
  }
}
