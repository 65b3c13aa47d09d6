import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The tutorial's complete server: a queue per connection, and all three of select's sets.
///
///     echo-complete [HOST:PORT]
///
/// The tutorial treats every socket in the exceptional set as a broken connection. That is wrong: select(2) reports
/// out-of-band data there, and one urgent byte would cost a client its connection. A broken connection is readable and
/// writable instead, and reading or writing reports the error; then it is removed from every list and closed.
///
/// Out-of-band data stays in its place in the stream (`SO_OOBINLINE`, as RFC 6093 recommends), so that it is echoed in
/// order, like everything else. The exceptional set only announces it.
///
/// Like the other servers of the tutorial, this one is self-contained, so that it can be read on its own and compared
/// with them.
@main
struct EchoComplete {
  /// The number of queued bytes at which reading from a client stops.
  static let limit = 1 << 20

  let listener: Socket
  /// The listener, and the connections that may still send something.
  var inputs: [Socket]
  /// The connections with bytes to be sent.
  var outputs: [Socket] = []
  /// The bytes to be sent on each connection.
  var messages: [Socket: ArraySlice<UInt8>] = [:]
  /// The connections that have announced out-of-band data which hasn't been read. Until it is read, they stay
  /// exceptional, even while a lost packet delays the data, and a select that watched them would return at once each
  /// time.
  var announced: Set<Socket> = []
  /// Whether the listener has to skip one turn, because a listener that can't accept stays ready.
  var isFull = false

  mutating func run() throws(MultiplexError) -> Never {
    while true {
      fflush(nil)  // shows the output before the wait, also if it is a pipe
      let wanted = inputs.filter(isWanted)
      let ready = try select(
        reading: wanted, writing: outputs, exceptional: wanted.filter { !announced.contains($0) },
        timeout: .seconds(0.5))
      print("inputs:", inputs)
      print("rlist:", ready.reading)
      isFull = false

      for socket in ready.exceptional {
        print("out-of-band data from", socket)
        announced.insert(socket)
      }
      for socket in ready.reading {
        if socket == listener { accept() } else { receive(from: socket) }
      }
      for socket in ready.writing where !socket.isClosed {
        send(to: socket)
      }
    }
  }

  /// Whether to read from a socket in this turn.
  func isWanted(_ socket: Socket) -> Bool {
    socket == listener ? !isFull : unsent(to: socket).count < Self.limit
  }

  func unsent(to socket: Socket) -> ArraySlice<UInt8> { messages[socket] ?? [] }

  mutating func accept() {
    do {
      guard let connection = try listener.accept() else { return }
      inputs.append(connection)
      messages[connection] = []
      print("accepted", connection)
    } catch {
      print(error)  // no descriptor is left, for example: connections wait in the kernel
      isFull = true
    }
  }

  mutating func receive(from socket: Socket) {
    announced.remove(socket)
    do {
      guard let bytes = try socket.receive(upTo: 65_536) else { return }
      if bytes.isEmpty {
        // The client has finished sending, and still gets the queued bytes.
        inputs.removeAll { $0 == socket }
        if unsent(to: socket).isEmpty { remove(socket) }
      } else {
        if unsent(to: socket).isEmpty { outputs.append(socket) }
        messages[socket]?.append(contentsOf: bytes)
      }
    } catch {
      print(error)
      remove(socket)
    }
  }

  mutating func send(to socket: Socket) {
    do {
      guard let count = try socket.send(unsent(to: socket)) else { return }
      messages[socket]?.removeFirst(count)
      guard unsent(to: socket).isEmpty else { return }
      messages[socket] = []  // frees the memory
      outputs.removeAll { $0 == socket }
      if !inputs.contains(socket) { remove(socket) }
    } catch {
      print(error)
      remove(socket)
    }
  }

  /// Removes a connection from every list, and closes it.
  mutating func remove(_ socket: Socket) {
    inputs.removeAll { $0 == socket }
    outputs.removeAll { $0 == socket }
    messages[socket] = nil
    announced.remove(socket)
    socket.close()
  }
}

// MARK: - The command line

extension EchoComplete {
  /// Listens on the address in the only argument, or on the tutorial's.
  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.count <= 1, arguments.first?.hasPrefix("-") != true else {
      fail("usage: echo-complete [HOST:PORT]", status: EX_USAGE)
    }
    do {
      let address = try HostPort(arguments.first ?? "127.0.0.1:9999").resolve(for: .listening)[0]
      let listener = try Socket.listening(on: address)
      print("listening on", try listener.localAddress())
      try listener.set(.outOfBandInline, to: true)  // the connections inherit it
      var server = EchoComplete(listener: listener, inputs: [listener])
      try server.run()
    } catch {
      fail("\(error)", status: error.reason == .unknownAddress ? EX_USAGE : EX_UNAVAILABLE)
    }
  }

  private static func fail(_ reason: String, status: Int32) -> Never {
    _ = try? FileDescriptor.standardError.writeAll("echo-complete: \(reason)\n".utf8)
    exit(status)
  }
}
