import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The tutorial's second server: reading and writing are separate, with a queue per connection.
///
///     echo-queued [HOST:PORT]
///
/// No client waits for a slow reader, whose bytes stay in its queue. The queue is bounded, because a client with too
/// many queued bytes isn't read from.
///
/// Like the other servers of the tutorial, this one is self-contained, so that it can be read on its own and compared
/// with them.
@main
struct EchoQueued {
  /// The number of queued bytes at which reading from a client stops.
  static let limit = 1 << 20

  let listener: Socket
  /// The listener, and the connections that may still send something.
  var inputs: [Socket]
  /// The connections with bytes to be sent.
  var outputs: [Socket] = []
  /// The bytes to be sent on each connection.
  var messages: [Socket: ArraySlice<UInt8>] = [:]
  /// Whether the listener has to skip one turn, because a listener that can't accept stays ready.
  var isFull = false

  mutating func run() throws(MultiplexError) -> Never {
    while true {
      fflush(nil)  // shows the output before the wait, also if it is a pipe
      let ready = try select(reading: inputs.filter(isWanted), writing: outputs, timeout: .seconds(0.5))
      print("inputs:", inputs)
      print("rlist:", ready.reading)
      isFull = false

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
    socket.close()
  }
}

// MARK: - The command line

extension EchoQueued {
  /// Listens on the address in the only argument, or on the tutorial's.
  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.count <= 1, arguments.first?.hasPrefix("-") != true else {
      fail("usage: echo-queued [HOST:PORT]", status: EX_USAGE)
    }
    do {
      let address = try HostPort(arguments.first ?? "127.0.0.1:9999").resolve(for: .listening)[0]
      let listener = try Socket.listening(on: address)
      print("listening on", try listener.localAddress())
      var server = EchoQueued(listener: listener, inputs: [listener])
      try server.run()
    } catch {
      fail("\(error)", status: error.reason == .unknownAddress ? EX_USAGE : EX_UNAVAILABLE)
    }
  }

  private static func fail(_ reason: String, status: Int32) -> Never {
    _ = try? FileDescriptor.standardError.writeAll("echo-queued: \(reason)\n".utf8)
    exit(status)
  }
}
