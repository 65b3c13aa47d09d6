internal import Multiplex

/// Connects to whichever of several addresses answers first, as RFC 8305 ("Happy Eyeballs") has it: they are tried in
/// their order, each a little after the one before, or at once when that has failed.
struct ConnectionRace {
  /// How long one address is alone in the race before the next joins: the RFC's recommendation.
  private static let headStart = Duration.milliseconds(250)

  /// What happens in a race.
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

  /// - Throws: What the last of the addresses came to. No other connection is left in either case.
  mutating func run() async throws(ConnectionError) -> Connection {
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
        // One that comes about all the same is closed as the last reference to it goes.
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
        // The one after it has begun before.
        continue
      }
    }
    // Not reached: each address either connects or fails.
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
      // When it is cancelled, the race is over.
      try? await reactor.sleep(for: Self.headStart)
      return .isLate(attempt: attempts)
    }
  }
}
