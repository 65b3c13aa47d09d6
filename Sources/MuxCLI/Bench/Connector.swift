import Multiplex
import SystemPackage

/// Opens the connections of a run.
struct Connector {
  /// The number of connections being opened at a time: enough to hide the round-trip time, few enough for the server's
  /// backlog.
  private static let window = 64
  /// Descriptors besides the connections: the standard streams, those of the poller, and the signals.
  private static let spareDescriptors = 16

  let target: Endpoint
  let timeout: Duration
  let backend: Poller.Backend

  /// Opens connections to the server.
  ///
  /// - Throws: An error that says why the server can't be reached, or not by this many connections.
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
        ? "; no local port is left: widen net.ipv4.ip_local_port_range, or use a Unix socket" : ""
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
      // If none is pending, the server's backlog was full.
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

  /// Starts connecting; returns nil if the backlog of a Unix socket is full.
  private func begin(_ address: SocketAddress) throws(MultiplexError) -> Socket? {
    do {
      return try Socket.connecting(to: address)
    } catch let error where error.errno == .tryAgain {
      return nil
    }
  }

  private func prepare(_ socket: Socket) {
    // Unix sockets have no such option, and don't need it.
    try? socket.set(.noDelay, to: true)
  }
}
