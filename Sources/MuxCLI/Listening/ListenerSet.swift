import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

/// All that a server listens on: opened, served and shut down together.
final class ListenerSet: Sendable {
  private struct State {
    var listeners: [ListenerGroup] = []
    /// Whether the kernel has chosen a port, which nobody knows before it is told.
    var hasChosenPort = false
    var isStopping = false
    /// Ends with the number of connections that were closed unfinished.
    var stopping: Task<Int, Never>?
  }

  /// A server that was told to stop closes connections that owe nothing once nothing has moved on them for so long.
  static let restBeforeClose = Duration.milliseconds(250)

  /// What there must be room for once everything is open: a connection, and what Swift's runtime may open yet.
  private static let neededDescriptors = 2

  private let drainLimit: Duration
  private let rest: Duration?
  private let state = Mutex(State())

  /// - Parameters:
  ///   - drainLimit: How long connections go on after ``stop()``.
  ///   - rest: Those that owe nothing are closed earlier, once nothing has moved on them for so long; nil spares them.
  init(drainLimit: Duration, closingIdleAfter rest: Duration? = nil) {
    self.drainLimit = drainLimit
    self.rest = rest
  }

  /// Listens everywhere, and tells where. If that fails, nothing is left.
  ///
  /// - Parameters:
  ///   - remark: What else to tell of each place: "(epoll)".
  ///   - check: Throws what is wrong with these addresses.
  func open(
    _ endpoints: [Endpoint], on group: ReactorGroup, remark: String, check: ([SocketAddress]) throws -> Void = { _ in }
  ) async throws {
    do {
      for endpoint in endpoints {
        switch endpoint {
        case .network(let host):
          for listener in try await ListenerGroup.bind(toAllOf: host, on: group) {
            add(listener, choosingPort: UInt16(host.port) == 0)
          }
        case .unix(let path):
          add(try await ListenerGroup.bind(to: .unix(path: path), on: group), choosingPort: false)
        }
      }
      try check(state.withLock { $0.listeners }.map(\.localAddress))
      // What threads, backends and addresses take is taken by now. Without room for a connection nobody would ever be served.
      try OpenFiles.require(Self.neededDescriptors)
      try greet(remark)
    } catch {
      // Waited for, so that no socket's file is left.
      _ = await shutDown()
      throw error
    }
  }

  /// Serves until ``stop()``.
  ///
  /// - Parameter serve: Serves one of the listeners, until it is closed.
  /// - Returns: How many connections were closed unfinished.
  func serve(_ serve: @escaping @Sendable (ListenerGroup) async -> Void) async -> Int {
    let listeners = state.withLock { $0.listeners }
    await withDiscardingTaskGroup { tasks in
      for listener in listeners {
        tasks.addTask { await serve(listener) }
      }
    }
    // The last connection may end before the shutdown has counted.
    return await state.withLock { $0.stopping }?.value ?? 0
  }

  /// Accepts no more, and goes on with the connections there are for a while.
  func stop() {
    state.withLock { state in
      state.isStopping = true
      state.stopping = state.stopping ?? Task { await self.shutDown() }
    }
  }

  /// Whether it was stopped.
  var isStopping: Bool { state.withLock { $0.isStopping } }

  private func shutDown() async -> Int {
    let listeners = state.withLock { $0.listeners }
    return await withTaskGroup(of: Int.self) { [drainLimit, rest] tasks in
      for listener in listeners {
        tasks.addTask { await listener.shutDown(within: drainLimit, closingIdleAfter: rest) }
      }
      return await tasks.reduce(0, +)
    }
  }
}

// MARK: - Opening

extension ListenerSet {
  private func add(_ listener: ListenerGroup, choosingPort: Bool) {
    state.withLock { state in
      state.listeners.append(listener)
      if choosingPort { state.hasChosenPort = true }
      // It was stopped before it had begun: what listens now does so in vain.
      if state.isStopping { listener.close() }
    }
  }

  /// - Throws: That nobody can be told of a port that nobody else knows.
  private func greet(_ remark: String) throws(Failure) {
    let (listeners, hasChosenPort) = state.withLock { ($0.listeners, $0.hasChosenPort) }
    let lines = listeners.map { "listening on \($0.localAddress.argument) \(remark)" }.joined(separator: "\n")
    // Who has said where to listen knows it anyway.
    guard hasChosenPort else { return Console.print(lines) }
    do throws(Failure) {
      try Console.write("\(lines)\n".utf8)
    } catch {
      throw Failure("\(error); nobody would know which port was chosen", error.status)
    }
  }
}
