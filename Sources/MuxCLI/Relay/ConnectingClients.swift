import Multiplex
import MultiplexAsync
import Synchronization

/// The clients of a relay that wait for its connection to the target. Those that have gone meanwhile are found, and wait
/// no longer: their places may be needed.
///
/// They are looked at once in a while. To wait for each of them would cost more than most connections take.
final class ConnectingClients: Sendable {
  private typealias Outcome = Result<Connection, ConnectionError>

  private struct State {
    var attempts: [ObjectIdentifier: (client: Connection, task: Task<Outcome, Never>)] = [:]
    var isWatched = false
  }

  private static let checkInterval = Duration.milliseconds(250)

  private let state = Mutex(State())

  /// Connects to the target for a client.
  ///
  /// - Parameter body: Connects. It is cancelled if the client has gone.
  /// - Returns: The connection; nil if the client has gone meanwhile.
  func connect(
    for client: Connection, _ body: @escaping @Sendable () async throws(ConnectionError) -> Connection
  ) async throws(ConnectionError) -> Connection? {
    let task = Task(executorPreference: client.reactor) { () -> Outcome in
      do throws(ConnectionError) { return .success(try await body()) } catch { return .failure(error) }
    }
    begin(client, task)
    let outcome = await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
    return end(client) ? try outcome.get() : nil
  }

  /// Gives up all connections to the target that are being made, as if their clients had gone.
  ///
  /// - Returns: How many.
  func giveUp() -> Int {
    let attempts = state.withLock { state in
      defer { state.attempts = [:] }
      return state.attempts.values.map(\.task)
    }
    attempts.forEach { $0.cancel() }
    return attempts.count
  }

  private func begin(_ client: Connection, _ task: Task<Outcome, Never>) {
    let needsWatch = state.withLock { state in
      state.attempts[ObjectIdentifier(client)] = (client, task)
      defer { state.isWatched = true }
      return !state.isWatched
    }
    if needsWatch { Task { await watch(on: client.reactor) } }
  }

  /// - Returns: Whether the client was still there.
  private func end(_ client: Connection) -> Bool {
    state.withLock { $0.attempts.removeValue(forKey: ObjectIdentifier(client)) } != nil
  }

  /// Looks for clients that have gone, until none is waiting.
  private func watch(on reactor: Reactor) async {
    repeat {
      try? await reactor.sleep(for: Self.checkInterval)
      for (client, task) in state.withLock({ Array($0.attempts.values) }) where await Self.hasGone(client) {
        if end(client) { task.cancel() }
      }
    } while !isIdle()
  }

  private func isIdle() -> Bool {
    state.withLock { state in
      if state.attempts.isEmpty { state.isWatched = false }
      return state.attempts.isEmpty
    }
  }

  /// Whether a client has reset its connection, or closed both of its directions. One that has only finished sending may
  /// be waiting for an answer.
  private static func hasGone(_ client: Connection) async -> Bool {
    let isGone = try? await client.withFileDescriptor { descriptor in
      var set = PollSet()
      try set.register(descriptor, for: [])
      return try !set.poll(timeout: .zero).isEmpty
    }
    // It isn't open any more either.
    return isGone ?? true
  }
}
