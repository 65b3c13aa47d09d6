public import Multiplex
public import SystemPackage

/// Sends and receives datagrams over UDP.
///
///     let socket = try await DatagramSocket.bind(to: "127.0.0.1:9999", on: reactor)
///     while true {
///       let datagram = try await socket.receive()
///       try await socket.send(datagram.bytes, to: datagram.sender)
///     }
///
/// Any number of tasks may send and receive; each datagram is received by one of them. Cancelling a task ends its wait
/// immediately, with ``ConnectionError/Reason/cancelled``, and loses no datagram that the kernel has. The socket is
/// closed by ``close()``, or when the last reference is released.
@safe
public final class DatagramSocket: Sendable {
  /// The reactor that the socket belongs to.
  public let reactor: Reactor
  /// Its own address, with the port that the kernel chose if port 0 was requested.
  public let localAddress: SocketAddress
  /// The only address that it exchanges datagrams with, if it is connected.
  public let peerAddress: SocketAddress?
  /// Used only on the reactor's thread.
  private nonisolated(unsafe) let core: DatagramCore

  private init(_ socket: consuming UDPSocket, on reactor: Reactor) throws(MultiplexError) {
    self.reactor = reactor
    localAddress = try socket.localAddress()
    peerAddress = socket.peerAddress
    unsafe core = DatagramCore(socket, on: reactor.loop)
  }

  deinit {
    unsafe reactor.onLoop(core) { $0.close() }
  }

  /// Receives datagrams sent to an address. An IPv6 address receives only IPv6 datagrams.
  ///
  /// Corresponding C functions: `socket`, `bind`.
  ///
  /// - Parameters:
  ///   - address: An IP address; port 0 lets the kernel choose.
  ///   - reactor: The reactor that the socket will belong to.
  ///   - reusePort: Whether several sockets share the address and its datagrams (`SO_REUSEPORT`).
  /// - Throws: The kernel's error, or `MultiplexError.Reason.invalidArgument` for the path of a Unix socket.
  public static func bind(
    to address: SocketAddress, on reactor: Reactor, reusePort: Bool = false
  ) throws(MultiplexError) -> DatagramSocket {
    try DatagramSocket(.bound(to: address, reusePort: reusePort), on: reactor)
  }

  /// Looks up a host, and receives datagrams sent to the first of its addresses that this machine has.
  ///
  /// - Throws: As ``bind(to:on:reusePort:)-(SocketAddress,_,_)`` does; `MultiplexError.Reason.unknownAddress` with the
  ///   resolver's message; `CancellationError`.
  public static func bind(
    to host: HostPort, on reactor: Reactor, reusePort: Bool = false
  ) async throws -> DatagramSocket {
    try await host.withFirstUsableAddress(on: reactor) { (address) throws(MultiplexError) in
      try bind(to: address, on: reactor, reusePort: reusePort)
    }
  }

  /// Receives datagrams sent to a host and port written as text: "127.0.0.1:9999", "[::1]:0", "localhost:domain".
  ///
  /// - Throws: As ``bind(to:on:reusePort:)-(HostPort,_,_)`` does; `MultiplexError.Reason.unknownAddress` for text that
  ///   isn't HOST:PORT.
  public static func bind(
    to text: String, on reactor: Reactor, reusePort: Bool = false
  ) async throws -> DatagramSocket {
    try await bind(to: HostPort(text), on: reactor, reusePort: reusePort)
  }

  /// Exchanges datagrams with one address: datagrams from others are not received, and a host that reports that nothing
  /// listens there makes the next call fail with ``ConnectionError/Reason/refused``. This call sends nothing.
  ///
  /// Corresponding C functions: `socket`, `connect`.
  ///
  /// - Throws: The kernel's error, or `MultiplexError.Reason.invalidArgument` for the path of a Unix socket.
  public static func connect(
    to address: SocketAddress, on reactor: Reactor
  ) throws(MultiplexError) -> DatagramSocket {
    try DatagramSocket(.connected(to: address), on: reactor)
  }

  /// Looks up a host, and exchanges datagrams with the first of its addresses: see
  /// ``connect(to:on:)-(SocketAddress,_)``.
  ///
  /// - Throws: The kernel's error; `MultiplexError.Reason.unknownAddress` with the resolver's message;
  ///   `CancellationError`.
  public static func connect(to host: HostPort, on reactor: Reactor) async throws -> DatagramSocket {
    // A host has at least one address.
    try connect(to: try await host.resolve(for: .connecting, on: reactor)[0], on: reactor)
  }

  /// Exchanges datagrams with a host and port written as text: "127.0.0.1:9999", "localhost:domain".
  ///
  /// - Throws: As ``connect(to:on:)-(HostPort,_)`` does; `MultiplexError.Reason.unknownAddress` for text that isn't
  ///   HOST:PORT.
  public static func connect(to text: String, on reactor: Reactor) async throws -> DatagramSocket {
    try await connect(to: HostPort(text), on: reactor)
  }

  /// Takes ownership of a UDP socket: one that the process was started with, or one with options of its own. It becomes
  /// non-blocking.
  ///
  /// - Throws: `MultiplexError.Reason.notOpen`; `ENOTSOCK` for another kind of file. The socket is closed then.
  public static func adopt(
    _ socket: consuming UDPSocket, on reactor: Reactor
  ) throws(MultiplexError) -> DatagramSocket {
    try socket.setNonBlocking()
    return try DatagramSocket(socket, on: reactor)
  }

  /// Waits for the next datagram.
  ///
  /// Corresponding C function: `recvfrom`.
  ///
  /// - Throws: ``ConnectionError/Reason/cancelled``, ``ConnectionError/Reason/closed``, or the kernel's error.
  public func receive() async throws(ConnectionError) -> Datagram {
    try await reactor.run { () async throws(ConnectionError) in
      try await self.receiveHere { (core) throws(DatagramCore.Failure) in try core.receive() }
    }
  }

  /// Waits for the next datagram, and receives it into memory; bytes that don't fit are lost.
  ///
  ///     var bytes = [UInt8](repeating: 0, count: 1500)
  ///     var memory = bytes.mutableSpan
  ///     let (count, sender) = try await socket.receive(into: &memory)
  ///
  /// In a task that the reactor runs, outside any actor, the kernel writes straight into the memory. Elsewhere the bytes
  /// are copied.
  ///
  /// Corresponding C function: `recvfrom`.
  ///
  /// - Parameter memory: Where to store the bytes, from its beginning.
  /// - Returns: How many bytes were stored, and the sender.
  /// - Throws: As ``receive()`` does.
  public func receive(
    into memory: inout MutableRawSpan
  ) async throws(ConnectionError) -> (count: Int, sender: SocketAddress) {
    guard reactor.isPreferred, isNoActor(#isolation) else {
      // Another task can't borrow the memory.
      let datagram = try await receive()
      let count = min(memory.byteCount, datagram.bytes.count)
      unsafe memory.withUnsafeMutableBytes { unsafe $0.copyBytes(from: datagram.bytes.prefix(count)) }
      return (count, datagram.sender)
    }
    return try await receiveHere { (core) throws(DatagramCore.Failure) in try core.receive(into: &memory) }
  }

  /// Waits for the next datagram, and receives it into memory: see ``receive(into:)-(MutableRawSpan)``.
  public func receive(
    into memory: inout MutableSpan<UInt8>
  ) async throws(ConnectionError) -> (count: Int, sender: SocketAddress) {
    // Any bytes are valid bytes.
    var memory = unsafe memory.mutableBytes
    return try await receive(into: &memory)
  }

  /// Sends a datagram as soon as there is room. Delivery is not guaranteed.
  ///
  /// Over IPv4 it has at most 65,507 bytes; one larger than the network's packets is more likely to be lost.
  ///
  /// Corresponding C function: `sendto`.
  ///
  /// - Parameters:
  ///   - bytes: The content, possibly empty.
  ///   - address: The receiver; nil for the address that the socket is connected to.
  /// - Throws: ``ConnectionError/Reason/cancelled`` while it waits, in which case nothing is sent;
  ///   ``ConnectionError/Reason/closed``, or the kernel's error: EDESTADDRREQ if there is no address.
  public func send(_ bytes: [UInt8], to address: SocketAddress? = nil) async throws(ConnectionError) {
    try await reactor.run { () async throws(ConnectionError) in
      // Any byte is initialized.
      try await self.sendHere(unsafe bytes.span.bytes, to: address)
    }
  }

  /// Sends any bytes as a datagram, such as a slice: see ``send(_:to:)-([UInt8],_)``.
  public func send(_ bytes: some Sequence<UInt8>, to address: SocketAddress? = nil) async throws(ConnectionError) {
    try await send([UInt8](bytes), to: address)
  }

  /// Sends a text as a datagram of UTF-8: see ``send(_:to:)-([UInt8],_)``.
  public func send(_ text: String, to address: SocketAddress? = nil) async throws(ConnectionError) {
    try await send([UInt8](text.utf8), to: address)
  }

  /// Sends a datagram from the caller's memory: see ``send(_:to:)-([UInt8],_)``. In a task that the reactor runs,
  /// outside any actor, nothing is copied.
  public func send(_ bytes: RawSpan, to address: SocketAddress? = nil) async throws(ConnectionError) {
    // Another task can't borrow the memory.
    guard reactor.isPreferred, isNoActor(#isolation) else {
      return try await send(unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }, to: address)
    }
    try await sendHere(bytes, to: address)
  }

  /// Sends a datagram from the caller's memory: see ``send(_:to:)-(RawSpan,_)``.
  public func send(_ bytes: Span<UInt8>, to address: SocketAddress? = nil) async throws(ConnectionError) {
    // Any byte is initialized.
    try await send(unsafe bytes.bytes, to: address)
  }

  /// Returns the value of a socket option.
  ///
  /// Corresponding C function: `getsockopt`.
  ///
  /// - Throws: `MultiplexError.Reason.closed`, or the kernel's error for the option.
  public func value<Value>(of option: SocketOption<Value>) async throws(MultiplexError) -> Value {
    try await withDescriptor(for: "getsockopt") { (descriptor) throws(MultiplexError) in
      try option.value(on: descriptor)
    }
  }

  /// Sets a socket option: the size of the kernel's buffers, or whether broadcasts are allowed, for example.
  ///
  /// Corresponding C function: `setsockopt`.
  ///
  /// - Throws: `MultiplexError.Reason.closed`, or the kernel's error for the option.
  public func set<Value>(_ option: SocketOption<Value>, to value: Value) async throws(MultiplexError) {
    try await withDescriptor(for: "setsockopt") { (descriptor) throws(MultiplexError) in
      try option.set(to: value, on: descriptor)
    }
  }

  /// Calls a closure with the descriptor on the reactor's thread, where it can't be closed meanwhile: for C functions
  /// that have no method here, such as one that joins a multicast group (`IP_ADD_MEMBERSHIP`).
  ///
  /// - Parameter body: Must not block, close the descriptor, read from it or write to it.
  /// - Returns: What the body returns.
  /// - Throws: What the body throws; `MultiplexError.Reason.closed`.
  public func withFileDescriptor<Value: Sendable>(
    _ body: @escaping @Sendable (FileDescriptor) throws -> Value
  ) async throws -> Value {
    try await withDescriptor(for: "withFileDescriptor") { (descriptor) throws(MultiplexError) in
      Result { try body(descriptor) }
    }.get()
  }

  /// Runs on the reactor's thread, where the descriptor can't be closed meanwhile.
  private func withDescriptor<Value: Sendable>(
    for call: String, _ body: @escaping @Sendable (FileDescriptor) throws(MultiplexError) -> Value
  ) async throws(MultiplexError) -> Value {
    try await reactor.run { () async throws(MultiplexError) in
      guard let descriptor = unsafe self.core.openDescriptor else { throw .closed("socket", for: call) }
      return try body(descriptor)
    }
  }

  /// Closes the socket, from any thread. Tasks that wait get ``ConnectionError/Reason/closed``.
  public func close() {
    reactor.onLoop { [self] in unsafe core.close() }
  }
}

// MARK: - On the reactor's thread

extension DatagramSocket {
  private func receiveHere<Value: Sendable>(
    _ attempt: (DatagramCore) throws(DatagramCore.Failure) -> Value?
  ) async throws(ConnectionError) -> Value {
    do throws(DatagramCore.Failure) {
      return try await repeatHere(.read, attempt)
    } catch {
      throw ConnectionError(error.reason, during: .receive, peer: peerAddress)
    }
  }

  private func sendHere(_ bytes: RawSpan, to address: SocketAddress?) async throws(ConnectionError) {
    do throws(DatagramCore.Failure) {
      try await repeatHere(.write) { (core) throws(DatagramCore.Failure) in
        try core.send(bytes, to: address) ? () : nil
      }
    } catch {
      throw ConnectionError(error.reason, during: .send, peer: address ?? peerAddress)
    }
  }

  /// Tries and waits in turn until there is an outcome.
  private func repeatHere<Value: Sendable>(
    _ interest: Interest, _ attempt: (DatagramCore) throws(DatagramCore.Failure) -> Value?
  ) async throws(DatagramCore.Failure) -> Value {
    if CallingTask.isCurrentCancelled { throw DatagramCore.Failure(reason: .cancelled) }
    if unsafe core.share.spend() { await reactor.nextTurn() }
    while true {
      if let value = unsafe try attempt(core) { return value }
      if let failure = await wait(for: interest) { throw failure }
    }
  }

  private func wait(for interest: Interest) async -> DatagramCore.Failure? {
    let id = unsafe core.makeWaitID()
    return await reactor.suspend { waiter in
      unsafe core.awaitReadiness(for: interest, id, waiter, isCancelled: Task.isCancelled)
    } onCancel: { [self] in
      unsafe core.cancel(id)
    }
  }
}

extension DatagramSocket: CustomStringConvertible {
  /// The address, and the peer if it is connected: "<datagram socket at 127.0.0.1:9999>".
  public var description: String {
    "<datagram socket at \(localAddress)\(peerAddress.map { " connected to \($0)" } ?? "")>"
  }
}
