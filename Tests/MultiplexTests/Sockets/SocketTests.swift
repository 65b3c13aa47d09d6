import CMultiplex
import Foundation
import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("Socket") struct SocketTests {
  /// The kinds of address that a socket can have on this machine.
  enum Kind: String, CaseIterable, CustomTestStringConvertible {
    case ipv4, ipv6, unix, abstractUnix

    var testDescription: String { rawValue }

    static let available = allCases.filter { kind in
      guard kind == .ipv6 else { return true }
      return (try? Socket.listening(on: .ipv6(.loopback, port: 0))) != nil
    }

    func address(in folder: TemporaryFolder) -> SocketAddress {
      switch self {
      case .ipv4: .ipv4(.loopback, port: 0)
      case .ipv6: .ipv6(.loopback, port: 0)
      case .unix: .unix(path: folder.file("socket"))
      case .abstractUnix: .unix(path: "\0" + folder.file("abstract"))
      }
    }
  }

  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  // MARK: Connections

  @Test("a connection carries bytes both ways, and each side knows both addresses", arguments: Kind.available)
  func roundTrip(kind: Kind) throws {
    let listener = try Socket.listening(on: kind.address(in: folder))
    let address = try listener.localAddress()
    #expect(address.port != 0)
    let client = try Socket.connected(to: address)
    let server = try listener.acceptNext()

    try client.sendAll(Array("ping".utf8))
    #expect(try bytes(from: server, count: 4) == Array("ping".utf8))
    try server.sendAll(Array("pong".utf8))
    #expect(try bytes(from: client, count: 4) == Array("pong".utf8))

    #expect(client.peerAddress == address)
    #expect(try server.localAddress() == address)
    #expect(try server.peerAddress == client.localAddress())
  }

  @Test("every socket is non-blocking and closed on exec, including accepted ones", arguments: Kind.available)
  func flags(kind: Kind) throws {
    let listener = try Socket.listening(on: kind.address(in: folder))
    let client = try Socket.connected(to: try listener.localAddress())
    let server = try listener.acceptNext()
    let (left, right) = try Socket.pair()
    for socket in [listener, client, server, left, right] {
      let number = socket.fileDescriptor.rawValue
      #expect(try Kernel.fcntl(number, F_GETFL) & O_NONBLOCK != 0)
      #expect(try Kernel.fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
    }
  }

  @Test("accept returns nil if no connection is pending", arguments: Kind.available)
  func nothingToAccept(kind: Kind) throws {
    let listener = try Socket.listening(on: kind.address(in: folder))
    #expect(try listener.accept() == nil)
    let client = try Socket.connected(to: try listener.localAddress())
    #expect(try listener.acceptNext().isClosed == false)
    #expect(try listener.accept() == nil)
    client.close()
  }

  @Test("interoperates with a Python client")
  func otherClient() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let port = try #require(try listener.localAddress().port)
    let program = """
      import socket
      s = socket.create_connection(("127.0.0.1", \(port)))
      s.sendall(b"hello")
      s.shutdown(socket.SHUT_WR)
      print(s.makefile("rb").read().decode(), s.getsockname()[1])
      """
    let python = SecondParty { try Python.run(program) }
    guard let server = try accepted(from: listener, unless: { python.isDone }) else {
      // There is no python3 on this machine.
      #expect(throws: Python.Missing.self) { try python.join() }
      return
    }
    try server.sendAll(try bytes(from: server, count: 5))
    let peer = try #require(server.peerAddress?.port)
    server.close()
    #expect(try python.join() == "hello \(peer)\n")
  }

  @Test("a refused connection is an error that names the address and asks whether the server is running")
  func refused() throws {
    // Bound, so that nobody else listens there, but not listening.
    let bound = OwnedDescriptor(adopting: try Kernel.socket(AF_INET, cmx_SOCK_STREAM))
    try unsafe SocketAddress.ipv4(.loopback, port: 0).withSockaddr { (raw, length) throws(Errno) in
      try unsafe Kernel.bind(bound.fileDescriptor.rawValue, raw, length)
    }
    let address = try Socket(adopting: try bound.duplicate()).localAddress()
    let error = #expect(throws: MultiplexError.self) { try Socket.connected(to: address) }
    #expect(error?.call == "connect")
    #expect(error?.errno == .connectionRefused)
    #expect(error?.subject == address.description)
    #expect(error?.advice?.contains("is the server running") == true)

    let connecting = try Socket.connecting(to: address)
    _ = try select(writing: [connecting])
    let outcome = #expect(throws: MultiplexError.self) { try connecting.finishConnecting() }
    #expect(outcome?.errno == .connectionRefused)
    _ = consume bound
  }

  @Test("a connection in progress can be finished once the socket is writable")
  func finishConnecting() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let client = try Socket.connecting(to: try listener.localAddress())
    _ = try select(writing: [client])
    try client.finishConnecting()
    #expect(try listener.acceptNext().peerAddress == client.localAddress())
  }

  @Test("a socket that the kernel has connected to itself is refused, and leaves the port to a server")
  func itself() throws {
    // Bound as the kernel might choose to; it chooses among thousands of ports.
    let socket = try Socket.unbound(for: .ipv4(.loopback, port: 0))
    try socket.bind(to: .ipv4(.loopback, port: 0))
    let address = try socket.localAddress()
    try socket.beginConnecting(to: address)
    _ = try select(writing: [socket])
    #expect(Socket.peerAddress(of: socket.fileDescriptor) == address)
    let error = #expect(throws: MultiplexError.self) { try socket.finishConnecting() }
    #expect(error?.errno == .connectionRefused)
    socket.close()
    // Forks may have copies of the socket.
    #expect(eventually { (try? Socket.listening(on: address)) != nil })
  }

  @Test("options can be set before a socket is connected", arguments: Kind.available)
  func optionsBeforeConnecting(kind: Kind) throws {
    let listener = try Socket.listening(on: kind.address(in: folder))
    let address = try listener.localAddress()
    let client = try Socket.unconnected(for: address)
    try client.set(.receiveBuffer, to: 20_000)
    try client.beginConnecting(to: address)
    _ = try select(writing: [client])
    try client.finishConnecting()
    let server = try listener.acceptNext()
    #expect(try client.send([7]) == 1)
    #expect(try bytes(from: server, count: 1) == [7])
    #expect(try client.value(of: .receiveBuffer) == 40_000)
    client.close()
    #expect(refusal { () throws(MultiplexError) in try client.beginConnecting(to: address) } == .closed)
  }

  @Test("connect rejects a path that the kernel would truncate")
  func longPathToConnect() throws {
    let (left, right) = try Socket.pair()
    let error = #expect(throws: MultiplexError.self) {
      try left.beginConnecting(to: .unix(path: String(repeating: "x", count: 200)))
    }
    #expect(error?.errno == .fileNameTooLong)
    right.close()
  }

  @Test("a connection in progress isn't mistaken for an established one")
  func stillConnecting() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0), backlog: 0)
    let address = try listener.localAddress()
    // If the queue is full, the kernel drops attempts, which are repeated for seconds.
    var clients = [try Socket.connecting(to: address)]
    #expect(eventually { kernelReadiness(of: clients[0].fileDescriptor, for: .write) == [.writable] })
    while kernelReadiness(of: clients[clients.count - 1].fileDescriptor, for: .write) == [.writable] {
      try #require(clients.count < 100)
      clients.append(try Socket.connecting(to: address))
    }
    let waiting = clients.removeLast()
    let error = #expect(throws: MultiplexError.self) { try waiting.finishConnecting() }
    #expect(error?.errno == .nowInProgress)
    #expect(error?.subject == address.description)
    for client in clients { try client.finishConnecting() }
  }

  @Test("connecting to a Unix socket whose queue is full waits until there is room, or times out")
  func fullQueue() throws {
    let address = SocketAddress.unix(path: folder.file("full"))
    let listener = try Socket.listening(on: address, backlog: 0)
    let first = try Socket.connected(to: address)
    let error = #expect(throws: MultiplexError.self) { try Socket.connecting(to: address) }
    #expect(error?.errno == .resourceTemporarilyUnavailable)
    #expect(error?.advice != nil)
    let (late, duration) = timed {
      #expect(throws: MultiplexError.self) { try Socket.connected(to: address, timeout: .milliseconds(20)) }
    }
    #expect(late?.errno == .timedOut)
    #expect(late?.advice == error?.advice)
    #expect(duration >= .milliseconds(20))
    let second = SecondParty { try Socket.connected(to: address, timeout: patience).send([7]) }
    _ = try listener.acceptNext()
    #expect(try second.join() == 1)
    #expect(try bytes(from: try listener.acceptNext(), count: 1) == [7])
    first.close()
  }

  @Test("a Unix socket that doesn't exist is an error that says so")
  func noSuchSocket() throws {
    let address = SocketAddress.unix(path: folder.file("nobody"))
    let error = #expect(throws: MultiplexError.self) { try Socket.connected(to: address) }
    #expect(error?.errno == .noSuchFileOrDirectory)
    #expect(error?.subject == folder.file("nobody"))
    #expect(error?.advice != nil)
  }

  @Test("a port that is in use can't be listened on again", arguments: Kind.available)
  func addressInUse(kind: Kind) throws {
    let listener = try Socket.listening(on: kind.address(in: folder))
    let address = try listener.localAddress()
    let error = #expect(throws: MultiplexError.self) { try Socket.listening(on: address) }
    #expect(error?.errno == .addressInUse)
    #expect(error?.subject == address.description)
    #expect(error?.advice != nil)
  }

  @Test("a port can be listened on again at once, though the old listener's connections are still closing")
  func portOfEarlierConnection() throws {
    Forks.pause()
    defer { Forks.resume() }
    let first = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let address = try first.localAddress()
    let client = try Socket.connected(to: address)
    let server = try first.acceptNext()
    // The side that closes first keeps the port occupied (TIME-WAIT).
    server.close()
    #expect(try bytes(from: client, count: 1) == [])
    first.close()
    client.close()
    #expect(try Socket.listening(on: address).localAddress() == address)
  }

  @Test("several listeners share a port if all of them ask for it, and each connection reaches one of them")
  func sharedPort() throws {
    let first = try Socket.listening(on: .ipv4(.loopback, port: 0), reusePort: true)
    let address = try first.localAddress()
    let second = try Socket.listening(on: address, reusePort: true)
    let client = try Socket.connected(to: address)
    let ready = try select(reading: [first, second]).reading
    #expect(ready.count == 1)
    #expect(try ready.first?.accept()?.peerAddress == client.localAddress())
  }

  @Test("an IPv6 listener accepts no IPv4 connections", .enabled(if: Kind.available.contains(.ipv6)))
  func ipv6Only() throws {
    let listener = try Socket.listening(on: .ipv6(.any, port: 0))
    let port = try #require(try listener.localAddress().port)
    #expect(try listener.value(of: .ipv6Only) == true)
    // So that the same port is available for an IPv4 listener.
    #expect(try Socket.listening(on: .ipv4(.loopback, port: port)).localAddress().port == port)
  }

  @Test("an address that this machine doesn't have can't be listened on")
  func foreignAddress() throws {
    // Reserved for documentation.
    let address = SocketAddress.ipv4(try #require(IPv4Address("192.0.2.1")), port: 0)
    let error = #expect(throws: MultiplexError.self) { try Socket.listening(on: address) }
    #expect(error?.errno == .addressNotAvailable)
    #expect(error?.advice != nil)
  }

  @Test("a Unix path can have 107 bytes, and one of 108 is rejected, not truncated")
  func longPath() throws {
    let room = SocketAddress.maximumPathLength - folder.file("").utf8.count
    let longest = folder.file(String(repeating: "x", count: room))
    #expect(try Socket.listening(on: .unix(path: longest)).localAddress() == .unix(path: longest))
    #expect(FileManager.default.fileExists(atPath: longest))
    for operation in [{ try Socket.listening(on: $0) }, { try Socket.connected(to: $0) }] {
      let error = #expect(throws: MultiplexError.self) { try operation(.unix(path: longest + "x")) }
      #expect(error?.reason == .invalidArgument)
      #expect(error?.errno == .fileNameTooLong)
      #expect(error?.advice?.contains("107") == true)
    }
  }

  @Test("a Unix path with a zero byte is rejected, not truncated")
  func zeroByte() throws {
    let address = SocketAddress.unix(path: folder.file("one\0two"))
    let error = #expect(throws: MultiplexError.self) { try Socket.listening(on: address) }
    #expect(error?.reason == .invalidArgument)
    #expect(!FileManager.default.fileExists(atPath: folder.file("one")))
  }

  // MARK: Bytes

  @Test("receive returns nil if nothing has arrived, and send returns nil if there is no room")
  func wouldBlock() throws {
    let (left, right) = try Socket.pair()
    #expect(try left.receive(upTo: 10) == nil)
    let block = [UInt8](repeating: 1, count: 65_536)
    var sent = 0
    while let count = try left.send(block) { sent += count }
    #expect(sent > 0)
    #expect(try bytes(from: right, count: sent).count == sent)
    #expect(try left.send([1]) == 1)
  }

  @Test("any collection of bytes can be sent, contiguous or not")
  func anyBytes() throws {
    let (left, right) = try Socket.pair()
    #expect(try left.send([1, 2, 3]) == 3)
    #expect(try left.send([0, 4, 5, 0][1...2]) == 2)
    #expect(try left.send((1...3).lazy.map { UInt8($0 + 5) }) == 3)
    #expect(try left.send(ContiguousArray<UInt8>([9])) == 1)
    #expect(try bytes(from: right, count: 9) == Array(1...9))
  }

  @Test(
    "after a half-close the peer reads everything, then the end of input, and can still send", arguments: Kind.available
  )
  func halfClose(kind: Kind) throws {
    let (client, server) = try connection(kind)
    try client.sendAll([1, 2, 3])
    try client.shutdown(.writing)
    #expect(try bytes(from: server, count: 4) == [1, 2, 3])
    try server.sendAll([4, 5])
    #expect(try bytes(from: client, count: 2) == [4, 5])
    let error = #expect(throws: MultiplexError.self) { try client.send([6]) }
    #expect(error?.errno == .brokenPipe)
    server.close()
    #expect(try bytes(from: client, count: 1) == [])
  }

  @Test("shutting down reading ends the input at once, and shutting down both ends both")
  func shutdownReading() throws {
    let (left, right) = try Socket.pair()
    try left.shutdown(.reading)
    #expect(try left.receive(upTo: 1) == [])
    #expect(try left.send([1]) == 1)
    try left.shutdown(.both)
    #expect(try bytes(from: right, count: 2) == [1])
  }

  @Test("a reset while reading is an error, not the end of input")
  func resetWhileReading() throws {
    let (client, server) = try connection(.ipv4)
    try reset(client)
    #expect(try select(reading: [server]).reading == [server])
    let error = #expect(throws: MultiplexError.self) { try server.receive(upTo: 1) }
    #expect(error?.call == "recv")
    #expect(error?.errno == .connectionReset)
    #expect(error?.descriptor == server.fileDescriptor)
  }

  @Test("a receive of zero bytes is refused, since it would look like the end of input", arguments: [0, -1, .min])
  func receiveNothing(count: Int) throws {
    let (left, right) = try Socket.pair()
    #expect(try right.send([1]) == 1)
    let error = #expect(throws: MultiplexError.self) { try left.receive(upTo: count) }
    #expect(error?.reason == .invalidArgument)
    var nothing: [UInt8] = []
    let empty = #expect(throws: MultiplexError.self) {
      var span = nothing.mutableSpan
      var buffer = unsafe span.mutableBytes
      return try left.receive(into: &buffer)
    }
    #expect(empty?.reason == .invalidArgument)
    #expect(try left.receive(upTo: .max) == [1])
  }

  @Test("an array of received bytes keeps little more memory than they need")
  func receivedCapacity() throws {
    let (left, right) = try Socket.pair()
    _ = try right.send([UInt8](repeating: 7, count: 50))
    let bytes = try #require(try left.receive(upTo: 65_536))
    #expect(bytes == [UInt8](repeating: 7, count: 50))
    #expect(bytes.capacity < 1024)
    let pipe = try PipeDescriptors()
    try pipe.writer.fileDescriptor.put()
    #expect(try #require(try pipe.reader.read(upTo: 65_536)).capacity < 1024)
  }

  @Test("a reset while writing is an error, and no signal ends the process")
  func resetWhileWriting() throws {
    let (client, server) = try connection(.ipv4)
    while try server.send([UInt8](repeating: 1, count: 65_536)) != nil {}
    try reset(client)
    #expect(try select(writing: [server]).writing == [server])
    let first = #expect(throws: MultiplexError.self) { try server.send([1]) }
    #expect(first?.errno == .connectionReset)
    let second = #expect(throws: MultiplexError.self) { try server.send([1]) }
    #expect(second?.errno == .brokenPipe)
  }

  @Test("sending to a peer that has gone is a broken pipe, and raises no signal")
  func brokenPipe() throws {
    Forks.pause()
    defer { Forks.resume() }
    let (error, signals) = try SecondParty {
      let signals = try SignalDescriptor([SIGPIPE])
      let (left, right) = try Socket.pair()
      right.close()
      let error = #expect(throws: MultiplexError.self) { try left.sendAll([1]) }
      let raisedBySend = try signals.next()
      // Proves that a signal would have been seen.
      _ = try? unsafe [UInt8(1)].withUnsafeBytes { try unsafe Kernel.write(left.fileDescriptor.rawValue, $0) }
      return (error, [raisedBySend, try signals.next()])
    }.join()
    #expect(error?.call == "send")
    #expect(error?.errno == .brokenPipe)
    #expect(signals == [nil, SIGPIPE])
  }

  @Test("many megabytes reach a slow reader unchanged", arguments: Kind.available)
  func sendAll(kind: Kind) throws {
    let (client, server) = try connection(kind)
    var random = SeededGenerator(seed: 7)
    let words = (0..<(1 << 20)).map { _ in random.next() }
    let sent = unsafe words.withUnsafeBytes { unsafe Array($0) }
    let descriptor = try OwnedDescriptor(duplicating: server.fileDescriptor).release()
    server.close()
    let reader = SecondParty {
      let server = Socket(adopting: OwnedDescriptor(adopting: descriptor))
      var received: [UInt8] = []
      // A slow reader: small reads, and a pause now and then.
      for turn in 0... {
        _ = try select(reading: [server])
        guard let bytes = try server.receive(upTo: 40_000) else { continue }
        if bytes.isEmpty { break }
        received += bytes
        if turn % 64 == 0 { _ = try select(reading: [FileDescriptor](), timeout: .milliseconds(1)) }
      }
      return received
    }
    try client.sendAll(sent)
    client.close()
    let received = try reader.join()
    let isIdentical = received == sent
    #expect(isIdentical)
  }

  @Test("sending to a peer that takes nothing times out, also with a negative timeout")
  func sendAllTimeout() throws {
    let (left, right) = try Socket.pair()
    let bytes = [UInt8](repeating: 1, count: 8 << 20)
    let start = ContinuousClock.now
    let late = #expect(throws: MultiplexError.self) { try left.sendAll(bytes, timeout: .milliseconds(20)) }
    #expect(ContinuousClock.now - start >= .milliseconds(20))
    #expect(late?.call == "send")
    #expect(late?.errno == .timedOut)
    // A deadline that has passed.
    let negative = #expect(throws: MultiplexError.self) { try left.sendAll(bytes, timeout: .seconds(-1)) }
    #expect(negative?.errno == .timedOut)
    right.close()
  }

  @Test("connecting to a host that doesn't answer times out")
  func connectTimeout() throws {
    let silent = try SilentListener()
    let error = #expect(throws: MultiplexError.self) {
      try Socket.connected(to: silent.address, timeout: .milliseconds(20))
    }
    #expect(error?.call == "connect")
    #expect(error?.errno == .timedOut)
    #expect(error?.subject == silent.address.description)
  }

  // MARK: Values

  @Test("closing a socket twice is no error, and every use of a closed socket throws the error for it")
  func closed() throws {
    Forks.pause()
    defer { Forks.resume() }
    let (left, right) = try Socket.pair()
    left.close()
    left.close()
    #expect(left.isClosed)
    #expect(left.fileDescriptor.rawValue == -1)
    #expect(try right.receive(upTo: 1) == [])
    let errors = [
      #expect(throws: MultiplexError.self) { try left.send([1]) },
      #expect(throws: MultiplexError.self) { try left.sendAll([1]) },
      #expect(throws: MultiplexError.self) { try left.receive(upTo: 1) },
      #expect(throws: MultiplexError.self) { try left.accept() },
      #expect(throws: MultiplexError.self) { try left.shutdown(.both) },
      #expect(throws: MultiplexError.self) { try left.localAddress() },
      #expect(throws: MultiplexError.self) { try left.value(of: .pendingError) },
      #expect(throws: MultiplexError.self) { try left.set(.keepAlive, to: true) },
      #expect(throws: MultiplexError.self) { try left.finishConnecting() },
    ]
    for error in errors { #expect(error?.reason == .closed) }
    #expect(left.description == "<closed socket>")
  }

  @Test("options are set and read back", arguments: [SocketOption<Bool>.noDelay, .keepAlive, .reuseAddress])
  func switches(option: SocketOption<Bool>) throws {
    let (client, _) = try connection(.ipv4)
    for value in [true, false] {
      try client.set(option, to: value)
      #expect(try client.value(of: option) == value)
    }
  }

  @Test(
    "numeric options are set and read back",
    arguments: [SocketOption<Int32>.keepAliveIdle, .keepAliveInterval, .keepAliveCount, .userTimeout])
  func numbers(option: SocketOption<Int32>) throws {
    let (client, _) = try connection(.ipv4)
    try client.set(option, to: 12)
    #expect(try client.value(of: option) == 12)
  }

  @Test("the kernel doubles the sizes of buffers")
  func bufferSizes() throws {
    let (left, right) = try Socket.pair()
    for option in [SocketOption<Int32>.sendBuffer, .receiveBuffer] {
      try left.set(option, to: 20_000)
      #expect(try left.value(of: option) == 40_000)
    }
    right.close()
  }

  @Test("an option that a socket doesn't have is an error")
  func unknownOption() throws {
    let (left, _) = try Socket.pair()
    let error = #expect(throws: MultiplexError.self) { try left.set(.noDelay, to: true) }
    #expect(error?.call == "setsockopt")
    #expect(error?.descriptor == left.fileDescriptor)
  }

  @Test("a socket is equal only to itself, and describes its addresses")
  func values() throws {
    let (client, server) = try connection(.ipv4)
    #expect(client != server)
    #expect(Set([client, server, client]).count == 2)
    let local = try client.localAddress()
    let peer = try server.localAddress()
    #expect(client.description == "<socket \(client.fileDescriptor.rawValue): \(local), peer \(peer)>")
  }

  // MARK: Helpers

  private func connection(_ kind: Kind) throws -> (client: Socket, server: Socket) {
    let listener = try Socket.listening(on: kind.address(in: folder))
    let client = try Socket.connected(to: try listener.localAddress())
    return (client, try listener.acceptNext())
  }

  /// The next connection, or nil if none can be expected any more.
  private func accepted(from listener: Socket, unless isOver: () -> Bool) throws -> Socket? {
    var socket: Socket?
    _ = try eventually {
      socket = try listener.accept()
      return socket != nil || isOver()
    }
    return socket
  }

  /// Receives until there are `count` bytes, or the end of input.
  private func bytes(from socket: Socket, count: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      _ = try select(reading: [socket])
      guard let received = try socket.receive(upTo: count - bytes.count) else { continue }
      if received.isEmpty { break }
      bytes += received
    }
    return bytes
  }

  /// Closes a connection with a reset.
  private func reset(_ socket: Socket) throws {
    var immediately = linger(l_onoff: 1, l_linger: 0)
    let number = socket.fileDescriptor.rawValue
    let size = socklen_t(MemoryLayout<linger>.size)
    try #require(unsafe setsockopt(number, SOL_SOCKET, SO_LINGER, &immediately, size) == 0)
    socket.close()
  }
}
