internal import Multiplex

/// Connects to whichever of several addresses answers first, following RFC 8305 ("Happy Eyeballs"): they are tried in
/// order, each a little after the previous one, or as soon as that one has failed.
struct ConnectionRace {
  /// How long one address has before the next one joins the race: the RFC's recommendation.
  private static let headStart = Duration.milliseconds(250)

  /// An event in a race.
  private enum Event: Sendable {
    case connected(Connection)
    case failed(ConnectionError)
    /// The head start of an attempt is over.
    case isLate(attempt: Int)
  }

  private let addresses: [SocketAddress]
  private let reactor: Reactor
  /// How many addresses are being tried, or have been.
  private var attempts = 0

  /// - Parameter addresses: At least one.
  init(_ addresses: [SocketAddress], on reactor: Reactor) {
    self.addresses = addresses
    self.reactor = reactor
  }

  /// Runs the race.
  ///
  /// - Throws: The error of the attempt that failed last. No other connection is left in either case.
  func run() async throws(ConnectionError) -> Connection {
    var race = self
    let result = await withTaskGroup(of: Event.self) { group in await race.run(in: &group) }
    return try result.get()
  }

  private mutating func run(in group: inout TaskGroup<Event>) async -> Result<Connection, ConnectionError> {
    var failures = 0
    startNext(in: &group)
    while let event = await group.next() {
      switch event {
      case .connected(let connection):
        // If another one is established all the same, it is closed with the last reference to it.
        group.cancelAll()
        return .success(connection)
      case .failed(let error):
        failures += 1
        guard failures < addresses.count, error.reason != .cancelled else {
          group.cancelAll()
          return .failure(error)
        }
        startNext(in: &group)
      case .isLate(attempts):
        startNext(in: &group)
      case .isLate:
        // The next attempt has already begun.
        continue
      }
    }
    // Unreachable: each address either connects or fails.
    return .failure(ConnectionError(.cancelled, during: .connect, peer: nil))
  }

  private mutating func startNext(in group: inout TaskGroup<Event>) {
    guard attempts < addresses.count else { return }
    let address = addresses[attempts]
    attempts += 1
    group.addTask(executorPreference: reactor) { [reactor] in
      do throws(ConnectionError) {
        return .connected(try await Connection.connect(to: address, on: reactor))
      } catch {
        return .failed(error)
      }
    }
    guard attempts < addresses.count else { return }
    group.addTask(executorPreference: reactor) { [reactor, attempts] in
      // Cancelled only when the race is over.
      try? await reactor.sleep(for: Self.headStart)
      return .isLate(attempt: attempts)
    }
  }
}
