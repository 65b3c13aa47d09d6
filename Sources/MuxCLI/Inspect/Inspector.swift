import Foundation
import Multiplex
import MultiplexAsync
import Synchronization

/// Shows a running server in a browser: a page, which reads the server's state again and again.
///
/// It has a reactor of its own, so that whoever looks doesn't hold up the server's threads.
final class Inspector: Sendable {
  /// What the inspector says about its server that doesn't change.
  struct Subject: Sendable {
    let service: ServiceName
    let backend: Poller.Backend
  }

  private struct State {
    var monitors: [ThreadMonitor] = []
    var addresses: [SocketAddress] = []
    var history = FlowHistory()
  }

  private let subject: Subject
  private let startedAt = MonotonicClock.now
  private let reactor: Reactor
  private let state = Mutex(State())
  private let serving = Mutex<(server: InspectorServer, sampling: Task<Void, Never>)?>(nil)

  init(_ subject: Subject) throws(MultiplexError) {
    self.subject = subject
    reactor = try Reactor(backend: subject.backend)
  }

  /// Makes an observer for another one of the server's threads. To be called before ``start(at:)``.
  func makeObserver() -> any ReactorObserver {
    let monitor = ThreadMonitor()
    state.withLock { $0.monitors.append(monitor) }
    return monitor.observer(backend: subject.backend)
  }

  /// Listens.
  ///
  /// - Throws: A failure if the address can't be used, or if the tool was built without the inspector.
  func start(at host: HostPort) async throws {
    let server = try await InspectorServer.start(at: host, on: reactor) { [self] in answer($0) }
    let sampling = Task { [self] in
      repeat { sample() } while (try? await reactor.sleep(for: FlowHistory.interval)) != nil
    }
    serving.withLock { $0 = (server, sampling) }
  }

  /// Tells where the server listens, and prints where the inspector does.
  func greet(_ addresses: [SocketAddress]) {
    state.withLock { $0.addresses = addresses }
    guard let address = serving.withLock({ $0?.server.address }) else { return }
    Console.inform("inspector at http://\(address)/")
  }

  /// Stops listening, and closes all connections of browsers, whatever they are doing.
  func stop() async {
    let serving = serving.withLock { serving in
      defer { serving = nil }
      return serving
    }
    guard let serving else { return }
    serving.sampling.cancel()
    await serving.sampling.value
    await serving.server.stop()
  }

  private func sample() {
    let monitors = state.withLock { $0.monitors }
    let sample = FlowHistory.Sample(time: MonotonicClock.now, threads: monitors.map(\.flow))
    state.withLock { $0.history.append(sample) }
  }
}

// MARK: - Answers

extension Inspector {
  private func answer(_ request: InspectorRequest) -> InspectorAnswer {
    let answer: InspectorAnswer
    switch request.path {
    case "/": answer = .page(InspectorPage.html)
    case "/state.json": answer = .json(inspectedState)
    default: return .notFound
    }
    return request.isReading ? answer : .notAllowed
  }

  /// The server as it is now.
  private var inspectedState: InspectedState {
    let (monitors, addresses, history) = state.withLock { ($0.monitors, $0.addresses, $0.history) }
    let now = MonotonicClock.now
    return InspectedState(
      server: InspectedState.Server(
        service: subject.service.rawValue, backend: subject.backend.name, threads: monitors.count,
        addresses: addresses.map(\.argument), processID: Int(ProcessInfo.processInfo.processIdentifier),
        uptimeSeconds: InspectedState.seconds(now - startedAt)),
      snapshots: monitors.map { $0.snapshot(connections: InspectedState.maximumConnections) }, history: history,
      now: now)
  }
}
