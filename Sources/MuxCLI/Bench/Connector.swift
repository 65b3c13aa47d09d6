import Multiplex
import SystemPackage

/// Opens the connections of a run.
struct Connector {
  /// How many are being opened at a time: enough to hide the way to the server, few enough for its backlog.
  private static let window = 64
  /// Besides the connections: the standard streams, the poller's own, the signals.
  private static let spareDescriptors = 16

  let target: Endpoint
  let timeout: Duration
  let backend: Poller.Backend

  /// - Throws: Why the server can't be reached, or not so often.
  func open(_ count: Int) throws -> [Socket] {
    try checkLimit(for: count)
    let first = try openFirst()
    guard count > 1, let address = first.peerAddress else { return [first] }
    var sockets = [first]
    do throws(MultiplexError) {
      try open(count - 1, to: address, into: &sockets)
    } catch {
      let failure = Failure(error, otherwise: .unavailable)
      let advice =
        error.errno == .addressNotAvailable
        ? "; no local port is left for more: widen net.ipv4.ip_local_port_range, or use a Unix socket" : ""
      throw Failure("after \(sockets.count) of \(count) connections: \(failure)\(advice)", failure.status)
    }
    return sockets
  }

  private func checkLimit(for count: Int) throws {
    OpenFiles.raiseLimit()
    guard let shortage = try OpenFiles.shortage(of: count + Self.spareDescriptors) else { return }
    throw Failure("\(Quantity.count(count)) connections need \(shortage)", .systemError)
  }

  private func openFirst() throws(MultiplexError) -> Socket {
    let socket =
      switch target {
      case .network(let host): try Socket.connected(to: host, timeout: timeout)
      case .unix(let path): try Socket.connected(to: .unix(path: path), timeout: timeout)
      }
    prepare(socket)
    return socket
  }

  private func open(
    _ count: Int, to address: SocketAddress, into sockets: inout [Socket]
  ) throws(MultiplexError) {
    let poller = try Poller(backend: backend)
    var pending: [FileDescriptor: Socket] = [:]
    let goal = sockets.count + count
    var lastProgress = ContinuousClock.now
    while sockets.count < goal {
      while pending.count < Self.window, sockets.count + pending.count < goal, let socket = try begin(address) {
        pending[socket.fileDescriptor] = socket
        try poller.register(socket, for: .write)
      }
      // With none on the way, the server's backlog was full.
      let pause = pending.isEmpty ? .milliseconds(1) : timeout
      for event in try poller.wait(timeout: pause) {
        guard let socket = pending.removeValue(forKey: event.descriptor) else { continue }
        try poller.unregister(socket)
        try socket.finishConnecting()
        prepare(socket)
        sockets.append(socket)
        lastProgress = .now
      }
      guard ContinuousClock.now - lastProgress < timeout else {
        throw MultiplexError(call: "connect", subject: address.description, errno: .timedOut)
      }
    }
  }

  /// Nil where a Unix socket's backlog is full: it refuses to queue more.
  private func begin(_ address: SocketAddress) throws(MultiplexError) -> Socket? {
    do {
      return try Socket.connecting(to: address)
    } catch let error where error.errno == .tryAgain {
      return nil
    }
  }

  private func prepare(_ socket: Socket) {
    // Unix sockets have no such option, and do without.
    try? socket.set(.noDelay, to: true)
  }
}
