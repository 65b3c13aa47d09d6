public import Multiplex

extension Reactor {
  /// The backend that serves connections at the lowest cost on this machine, determined once by trying.
  ///
  /// It is io_uring if the kernel receives into buffers that it chooses (Linux 6.1), and otherwise the backend that
  /// pollers choose (`Poller.Backend.automatic`). docs/measurements.md has the measurements behind this.
  public static let automaticBackend: Poller.Backend = CompletionDriver.isUsable ? .ioUring : .automatic

  /// Why this process has no ring for a reactor, though the kernel may support it: its limits are too low. Nil if it
  /// has one, or the kernel is too old.
  package static var ringShortage: MultiplexError? { CompletionDriver.shortage }
}

extension Poller.Backend {
  /// Makes the driver for a backend.
  ///
  /// - Parameter backend: nil for the automatic one, or what pollers choose if there is no room for another ring.
  static func makeDriver(
    for backend: Poller.Backend?, _ observation: TurnObservation?
  ) throws(MultiplexError) -> (backend: Poller.Backend, driver: any Driver) {
    if let backend { return (backend, try backend.makeDriver(observation)) }
    if Reactor.automaticBackend == .ioUring, let driver = try? CompletionDriver(observation: observation) {
      return (.ioUring, driver)
    }
    let backend = Poller.Backend.automatic
    return (backend, try backend.makeDriver(observation))
  }

  /// Makes the driver for this backend: completion on io_uring, unless the kernel is too old for it.
  private func makeDriver(_ observation: TurnObservation?) throws(MultiplexError) -> any Driver {
    guard self == .ioUring, CompletionDriver.isUsable else {
      return try ReadinessDriver(backend: self, observation: observation)
    }
    return try CompletionDriver(observation: observation)
  }
}
