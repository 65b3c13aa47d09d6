import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

/// All listeners of a server, which are opened, served and shut down together.
final class ListenerSet: Sendable {
  private struct State {
    var listeners: [ListenerGroup] = []
    /// Whether the kernel has chosen a port, which is known only from the output.
    var hasChosenPort = false
    var isStopping = false
    /// Cancels what is being done before the listeners serve.
    var interrupt: (@Sendable () -> Void)?
    /// The shutdown; its value is the number of connections that were closed unfinished.
    var stopping: Task<Int, Never>?
  }

  /// The descriptors that must be left once everything is open: for a connection, and for what Swift's runtime may
  /// still open.
  private static let neededDescriptors = 2

  private let drainLimit: Duration
  private let idleTime: Duration?
  private let state = Mutex(State())

  /// Makes an empty set.
  ///
  /// - Parameters:
  ///   - drainLimit: How long connections may continue after ``stop()``.
  ///   - idleTime: How long a connection with nothing queued may be idle after ``stop()`` before it is closed; nil
  ///     leaves idle connections open.
  init(drainLimit: Duration, closingIdleAfter idleTime: Duration? = nil) {
    self.drainLimit = drainLimit
    self.idleTime = idleTime
  }

  /// Listens on all addresses, and prints them. If that fails, all listeners are closed.
  ///
  /// - Parameters:
  ///   - endpoints: Where to listen.
  ///   - group: The reactors of the listeners.
  ///   - remark: What to print after each address, its backend and the number of threads.
  ///   - prepare: Called with the addresses before they are printed. Throws if something is wrong with them.
  /// - Returns: The result of `prepare`.
  /// - Throws: `CancellationError` if ``stop()`` was called meanwhile.
  @discardableResult
  func open<Prepared>(
    _ endpoints: [Endpoint], on group: ReactorGroup, remark: String = "",
    prepare: ([SocketAddress]) throws -> Prepared = { _ in }
  ) async throws -> Prepared {
    do {
      for endpoint in endpoints { try await interruptibly { try await self.open(endpoint, on: group) } }
      let prepared = try prepare(addresses)
      // Threads, backends and listeners have their descriptors by now. Without one for a connection, no client could be
      // served.
      try OpenFiles.require(Self.neededDescriptors)
      if isStopping { throw CancellationError() }
      try greet("\(Self.description(of: group))\(remark)")
      return prepared
    } catch {
      // Awaited, so that no socket file is left behind.
      _ = await shutDown()
      throw error
    }
  }

  /// Serves until ``stop()``.
  ///
  /// - Parameter serve: Serves one of the listeners, until it is closed.
  /// - Returns: The number of connections that were closed unfinished.
  func serve(_ serve: @escaping @Sendable (ListenerGroup) async -> Void) async -> Int {
    let listeners = state.withLock { $0.listeners }
    await withDiscardingTaskGroup { tasks in
      for listener in listeners {
        tasks.addTask { await serve(listener) }
      }
    }
    // The last connection may end before the shutdown has finished counting.
    return await state.withLock { $0.stopping }?.value ?? 0
  }

  /// Does something that may take long before the listeners serve: a name may be looked up. ``stop()`` cancels it.
  func interruptibly(_ body: @escaping @Sendable () async throws -> Void) async throws {
    let task = Task { try await body() }
    state.withLock { state in
      if state.isStopping { task.cancel() }
      state.interrupt = { task.cancel() }
    }
    try await task.value
  }

  /// Stops accepting, and drains the open connections.
  func stop() {
    state.withLock { state in
      state.isStopping = true
      state.interrupt?()
      state.stopping = state.stopping ?? Task { await self.shutDown() }
    }
  }

  /// Where they listen.
  var addresses: [SocketAddress] { state.withLock { $0.listeners }.map(\.localAddress) }

  /// Whether ``stop()`` was called.
  var isStopping: Bool { state.withLock { $0.isStopping } }

  private func shutDown() async -> Int {
    let listeners = state.withLock { $0.listeners }
    return await withTaskGroup(of: Int.self) { [drainLimit, idleTime] tasks in
      for listener in listeners {
        tasks.addTask { await listener.shutDown(within: drainLimit, closingIdleAfter: idleTime) }
      }
      return await tasks.reduce(0, +)
    }
  }
}

// MARK: - Opening

extension ListenerSet {
  private func open(_ endpoint: Endpoint, on group: ReactorGroup) async throws {
    switch endpoint {
    case .network(let host):
      for listener in try await ListenerGroup.bind(toAllOf: host, on: group) {
        add(listener, choosingPort: UInt16(host.port) == 0)
      }
    case .unix(let path):
      do {
        add(try await ListenerGroup.bind(to: .unix(path: path), on: group), choosingPort: false)
      } catch {
        if let failure = Failure(error, occupied: path) { throw failure }
        throw error
      }
    }
  }

  private func add(_ listener: ListenerGroup, choosingPort: Bool) {
    state.withLock { state in
      state.listeners.append(listener)
      if choosingPort { state.hasChosenPort = true }
      // Stopped before it had started.
      if state.isStopping { listener.close() }
    }
  }

  /// "(epoll)", or "(epoll, 2 threads)".
  private static func description(of group: ReactorGroup) -> String {
    let count = group.reactors.count
    return "(\(group.backendNames)\(count > 1 ? ", \(Quantity.counted(count, "thread"))" : ""))"
  }

  /// Prints the addresses.
  ///
  /// - Throws: A failure if a port that the kernel has chosen can't be printed.
  private func greet(_ remark: String) throws(Failure) {
    let lines = addresses.map { "listening on \($0.argument) \(remark)" }.joined(separator: "\n")
    // Ports that were given on the command line are known anyway.
    guard state.withLock({ $0.hasChosenPort }) else { return Console.print(lines) }
    do throws(Failure) {
      try Console.write("\(lines)\n".utf8)
    } catch {
      throw Failure("\(error); the chosen port would be unknown", error.status)
    }
  }
}
