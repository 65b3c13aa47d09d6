public import Multiplex

extension Reactor {
  /// The backend that serves connections at the lowest cost here, found out by trying, once.
  ///
  /// It is io_uring where the kernel receives into buffers that it chooses (Linux 6.1), and what pollers take elsewhere
  /// (`Poller.Backend.automatic`). docs/measurements.md has what decided it.
  public static let automaticBackend: Poller.Backend = CompletionDriver.isUsable ? .ioUring : .automatic
}

extension Poller.Backend {
  /// How a reactor does I/O with this backend: by completion on io_uring, unless the kernel is too old for it.
  func makeDriver(_ observation: TurnObservation?) throws(MultiplexError) -> any Driver {
    guard self == .ioUring, CompletionDriver.isUsable else {
      return try ReadinessDriver(backend: self, observation: observation)
    }
    return try CompletionDriver(observation: observation)
  }
}
