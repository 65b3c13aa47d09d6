import ArgumentParser
import Multiplex
import MultiplexAsync

/// The value of `--backend`: a backend's name, or "auto".
struct BackendChoice: ExpressibleByArgument {
  /// The backend, or nil to leave the choice to the library.
  private let backend: Poller.Backend?

  static let automatic = BackendChoice(backend: nil)

  private init(backend: Poller.Backend?) {
    self.backend = backend
  }

  init?(argument: String) {
    guard argument != "auto" else {
      self = .automatic
      return
    }
    guard let backend = Poller.Backend(argument) else { return nil }
    self.init(backend: backend)
  }

  static var allValueStrings: [String] { ["auto"] + Poller.Backend.allCases.map(\.name) }

  var defaultValueDescription: String { backend?.name ?? "auto" }

  /// Returns the backend for reactors; nil for the automatic one. Prints a warning if that isn't io_uring, as it isn't
  /// available.
  ///
  /// - Throws: A failure that says why the chosen backend doesn't work here.
  func resolve() throws(Failure) -> Poller.Backend? {
    if let backend { return try checked(backend) }
    // Where descriptors are short, the server fails with a message of its own, or needs none.
    let reason = Poller.Backend.ioUring.unavailability ?? Reactor.ringShortage
    if let reason, reason.reason != .openFileLimit {
      Console.warn("io_uring isn't available: \(reason)")
    }
    return nil
  }

  /// Returns the backend for pollers.
  ///
  /// - Throws: A failure that says why the chosen backend doesn't work here.
  func resolveForPoller() throws(Failure) -> Poller.Backend {
    try backend.map(checked) ?? .automatic
  }

  private func checked(_ backend: Poller.Backend) throws(Failure) -> Poller.Backend {
    if let reason = backend.unavailability {
      throw Failure("the backend '\(backend)' doesn't work here: \(reason); try --backend auto", .unavailable)
    }
    return backend
  }
}
