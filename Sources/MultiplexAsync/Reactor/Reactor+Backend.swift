public import Multiplex

extension Reactor {
  /// The backend that serves connections at the lowest cost on this machine, determined once by trying.
  ///
  /// It is io_uring if the kernel receives into buffers that it chooses (Linux 6.1), and otherwise the backend that
  /// pollers choose (`Poller.Backend.automatic`). docs/measurements.md has the measurements behind this.
  public static let automaticBackend: Poller.Backend = CompletionDriver.isUsable ? .ioUring : .automatic
}

extension Poller.Backend {
  /// Makes the driver for this backend: completion on io_uring, unless the kernel is too old for it.
  func makeDriver(_ observation: TurnObservation?) throws(MultiplexError) -> any Driver {
    guard self == .ioUring, CompletionDriver.isUsable else {
      return try ReadinessDriver(backend: self, observation: observation)
    }
    return try CompletionDriver(observation: observation)
  }
}
