import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One thread that serves many clients: it waits for all of them at once, and does a bounded amount of work for each
/// that is ready.
final class Server {
  struct Settings {
    let service: ServiceName
    let maximumConnections: Int
    /// In bytes.
    let highWater: Int
    let idleTimeout: Duration?
  }

  /// How a server came to its end.
  enum Outcome {
    /// It was told to stop, and its clients had what they were owed, but for so many.
    case stopped(unfinished: Int)
    /// It was told twice, by this signal in the end.
    case interrupted(signal: Int32)
  }

  /// What a registered descriptor is.
  private enum Source {
    case listener(Socket)
    case signals
    case peer(Peer)
  }

  /// How often to look for what only time brings about.
  private static let sweepInterval = Duration.milliseconds(100)
  /// How long a server that was told to stop goes on with what its clients are owed.
  private static let drainLimit = Duration.seconds(5)
  /// A server that was told to stop closes connections on which nothing has moved for so long.
  private static let restBeforeClose = Duration.milliseconds(250)
  /// How long a peer may take to close its side after the service has closed ours.
  private static let lingerLimit = Duration.seconds(2)
  /// How often to say, at most, that accepting is impossible.
  private static let complaintInterval = Duration.seconds(10)
  /// How many connections to accept in a turn, so that those that are there have theirs.
  private static let acceptBatch = 64
  /// How many bytes to read at once.
  private static let readSize = 64 * 1024

  private let settings: Settings
  private let multiplexer: Multiplexer<Source>
  private let signals: SignalDescriptor
  private var listeners: [Socket] = []
  private var peerCount = 0
  private let trace: Trace?

  /// Times are counted from here: as plain numbers they cost nothing to compare and to pass on.
  private let start = ContinuousClock.now
  /// The present, looked up once a turn.
  private var now = Duration.zero
  private var nextSweep = Duration.zero
  private var isListening = true
  /// Set while accepting is impossible for want of descriptors or memory.
  private var acceptsAgainAt: Duration?
  private var complainsAgainAt = Duration.zero
  /// Set once the server was told to stop.
  private var drainsUntil: Duration?
  /// Set once it was told to stop again.
  private var interruption: Int32?

  /// Where the server listens.
  private(set) var addresses: [SocketAddress] = []

  init(backend: Poller.Backend, settings: Settings, trace: Trace?) throws(MultiplexError) {
    self.settings = settings
    self.trace = trace
    multiplexer = try Multiplexer(backend: backend)
    signals = try SignalDescriptor([SIGINT, SIGTERM])
    try multiplexer.register(signals, for: .read, attachment: .signals)
  }

  deinit {
    closeListeners()
  }

  var backend: Poller.Backend { multiplexer.backend }

  func listen(on address: SocketAddress) throws(MultiplexError) {
    let listener = try Socket.listening(on: address)
    listeners.append(listener)
    addresses.append(try listener.localAddress())
    try multiplexer.register(listener, for: .read, attachment: .listener(listener))
  }

  private func closeListeners() {
    for listener in listeners { listener.close() }
    // The file of a Unix socket outlives it. Whoever listens there by now keeps theirs.
    for case .unix(let path) in addresses { try? UnixSocketFile.removeIfDead(path) }
    listeners = []
  }
}

// MARK: - The loop

extension Server {
  /// Serves until a signal ends it.
  func run() throws(MultiplexError) -> Outcome {
    // Shared by all connections: nothing stays in it from one read to the next.
    var buffer = [UInt8](repeating: 0, count: Self.readSize)
    while true {
      let registered = trace == nil ? [] : registrations
      let events = try multiplexer.wait(timeout: waitsForTime ? Self.sweepInterval : nil)
      now = start.duration(to: .now)
      for event in events { try handle(event, &buffer) }
      trace?.endTurn(registered: registered)
      if waitsForTime { try sweep() }
      try updateListening()
      if let interruption { return .interrupted(signal: interruption) }
      if let drainsUntil, peerCount == 0 || now >= drainsUntil { return .stopped(unfinished: peerCount) }
    }
  }

  private func handle(_ event: Multiplexer<Source>.Event, _ buffer: inout [UInt8]) throws(MultiplexError) {
    trace?.found(event.registration.descriptor, event.readiness)
    switch event.registration.attachment {
    case .signals: try takeSignal()
    case .listener(let listener): try accept(from: listener)
    case .peer(let peer): serve(peer, event, &buffer)
    }
  }

  private func serve(_ peer: Peer, _ event: Multiplexer<Source>.Event, _ buffer: inout [UInt8]) {
    do throws(MultiplexError) {
      if event.isWritable, let action = try peer.flush(now: now) {
        trace?.did(peer.socket.fileDescriptor, action)
      }
      if event.isReadable, let action = try peer.read(into: &buffer, now: now) {
        trace?.did(peer.socket.fileDescriptor, action)
      }
      guard let interest = peer.interest else { return close(peer, because: "finished") }
      if interest != event.registration.interest { try multiplexer.modify(peer.socket, for: interest) }
    } catch {
      // The kernel's want of memory is one client's misfortune, too.
      close(peer, because: error.description)
    }
  }

  private func close(_ peer: Peer, because reason: String) {
    trace?.did(peer.socket.fileDescriptor, .closed(reason))
    _ = try? multiplexer.unregister(peer.socket)
    peer.socket.close()
    peerCount -= 1
    // There is a descriptor to spare again.
    acceptsAgainAt = nil
  }

  private var peers: [Peer] {
    multiplexer.registrations.compactMap { registration in
      guard case .peer(let peer) = registration.attachment else { return nil }
      return peer
    }
  }

  /// For the trace: what a turn waits for.
  private var registrations: [String] {
    multiplexer.registrations.sorted { $0.descriptor.rawValue < $1.descriptor.rawValue }.map { registration in
      let what =
        switch registration.attachment {
        case .listener: "listener"
        case .signals: "signals"
        case .peer: "client"
        }
      return "\(registration.descriptor.rawValue) \(what) for \(registration.interest)"
    }
  }
}

// MARK: - Accepting

extension Server {
  private func accept(from listener: Socket) throws(MultiplexError) {
    for _ in 0..<Self.acceptBatch where peerCount < settings.maximumConnections {
      do {
        guard let socket = try listener.accept() else { return }
        try begin(socket)
      } catch {
        // The connection goes on waiting, so that the listener stays ready: without a pause this would spin.
        acceptsAgainAt = now + Self.sweepInterval
        guard now >= complainsAgainAt else { return }
        complainsAgainAt = now + Self.complaintInterval
        Console.complain("\(error); accepting again when there is room")
        return
      }
    }
  }

  private func begin(_ socket: Socket) throws(MultiplexError) {
    trace?.did(socket.fileDescriptor, .accepted(socket.peerAddress?.description ?? "a client"))
    let peer = Peer(socket, service: settings.service.makeService(), highWater: settings.highWater, now: now)
    peer.start()
    // Unix sockets have no such option, and do without.
    try? socket.set(.noDelay, to: 1)
    guard let interest = peer.interest else { return }
    try multiplexer.register(socket, for: interest, attachment: .peer(peer))
    peerCount += 1
  }

  /// Listens, or leaves new clients waiting, as there is room for them.
  private func updateListening() throws(MultiplexError) {
    let shouldListen = drainsUntil == nil && acceptsAgainAt == nil && peerCount < settings.maximumConnections
    guard shouldListen != isListening else { return }
    isListening = shouldListen
    for listener in listeners {
      if shouldListen {
        try multiplexer.register(listener, for: .read, attachment: .listener(listener))
      } else {
        try multiplexer.unregister(listener)
      }
    }
  }
}

// MARK: - Time and signals

extension Server {
  /// Whether something happens without a descriptor becoming ready.
  private var waitsForTime: Bool {
    settings.idleTimeout != nil || acceptsAgainAt != nil || drainsUntil != nil || settings.service.lingers
  }

  private func sweep() throws(MultiplexError) {
    guard now >= nextSweep else { return }
    nextSweep = now + Self.sweepInterval
    if let acceptsAgainAt, now >= acceptsAgainAt { self.acceptsAgainAt = nil }
    for peer in peers {
      if let reason = reasonToClose(peer) { close(peer, because: reason) }
    }
  }

  private func reasonToClose(_ peer: Peer) -> String? {
    if let ended = peer.endedOutputAt, now >= ended + Self.lingerLimit { return "the client keeps its side open" }
    if let limit = settings.idleTimeout, now >= peer.lastActivity + limit { return "idle" }
    let isAtRest = peer.owed == 0 && now >= peer.lastActivity + Self.restBeforeClose
    return drainsUntil != nil && isAtRest ? "the server is stopping" : nil
  }

  private func takeSignal() throws(MultiplexError) {
    while let signal = try signals.next() {
      if drainsUntil == nil {
        drainsUntil = now + Self.drainLimit
        try updateListening()
        closeListeners()
      } else {
        interruption = signal
      }
    }
  }
}
