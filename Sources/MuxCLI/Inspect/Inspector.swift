import Foundation
import Multiplex
import MultiplexAsync
import Synchronization

/// Shows a running server in a browser: a page, which reads the server's state again and again.
///
/// It has a reactor of its own, so that whoever looks doesn't hold up the server's threads.
final class Inspector: Sendable {
  private struct State {
    var monitors: [ThreadMonitor] = []
    var addresses: [SocketAddress] = []
    var backends = ""
    var history = FlowHistory()
  }

  private let service: ServiceName
  private let startedAt = MonotonicClock.now
  private let reactor: Reactor
  private let state = Mutex(State())
  private let serving = Mutex<(server: InspectorServer, sampling: Task<Void, Never>)?>(nil)

  /// Makes the inspector of a server.
  ///
  /// - Parameters:
  ///   - service: What the server does.
  ///   - backend: The backend of the inspector's own reactor; nil for the automatic one.
  init(of service: ServiceName, backend: Poller.Backend?) throws(MultiplexError) {
    self.service = service
    reactor = try Reactor(backend: backend)
  }

  /// Makes an observer for another one of the server's threads. To be called before ``start(at:)``.
  func makeObserver(backend: Poller.Backend) -> any ReactorObserver {
    let monitor = ThreadMonitor()
    state.withLock { $0.monitors.append(monitor) }
    return monitor.observer(backend: backend)
  }

  /// Listens.
  ///
  /// - Throws: A failure if the address can't be used, or if the tool was built without the inspector.
  func start(at host: HostPort) async throws {
    let server = try await InspectorServer.start(at: host, on: reactor) { [self] request in
      request.isMeant(for: host) ? answer(request) : .foreign
    }
    let sampling = Task { [self] in
      repeat { sample() } while (try? await reactor.sleep(for: FlowHistory.interval)) != nil
    }
    serving.withLock { $0 = (server, sampling) }
  }

  /// Tells with what and where the server listens, and prints where the inspector does.
  func greet(_ group: ReactorGroup, at addresses: [SocketAddress]) {
    state.withLock { state in
      state.backends = group.backendNames
      state.addresses = addresses
    }
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
    let state = state.withLock { $0 }
    let now = MonotonicClock.now
    return InspectedState(
      server: InspectedState.Server(
        service: service.rawValue, backend: state.backends, threads: state.monitors.count,
        addresses: state.addresses.map(\.argument), processID: Int(ProcessInfo.processInfo.processIdentifier),
        uptimeSeconds: InspectedState.seconds(now - startedAt)),
      snapshots: state.monitors.map { $0.snapshot(connections: InspectedState.maximumConnections) },
      history: state.history,
      now: now)
  }
}
