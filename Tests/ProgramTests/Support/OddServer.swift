import Multiplex
import SystemPackage
import TestSupport

/// An echo server with one oddity.
struct OddServer {
  enum Oddity: Sendable {
    /// Inverts the bits of a byte of each connection's stream, counted from 0.
    case corrupts(Int)
    /// Sends an extra byte.
    case adds
    /// Doesn't respond to anything on a connection once it has received more than this many bytes.
    case silent(after: Int = 0, whenIgnoring: @Sendable () -> Void = {})
    /// Closes each connection at its first byte.
    case closesAtOnce
    /// Closes the first connection that has sent more than this many bytes.
    case closesFirst(after: Int)
    /// Sends a text in response to the first bytes of each connection, and closes it.
    case rejects(String)
    /// Keeps back the last byte of what it receives at a time.
    case keepsLast
    /// Never responds on the first connection on which something arrives.
    case ignoresFirst
    /// Sends the bytes back one at a time, with pauses, until the client has gone.
    case trickles
    /// Sleeps before its first response.
    case stalls(Duration)
    case none
  }

  /// The connections and bytes that the server has received.
  struct Seen: Sendable {
    var connections = 0
    var bytes = 0
  }

  private let oddity: Oddity
  private var seen = Seen()
  private var counts: [Socket: Int] = [:]
  private var clients: [Socket] = []
  private var isDone = false
  private var ignored: Socket?

  /// Serves on a separate thread while the body runs.
  static func serving(
    _ oddity: Oddity, _ body: (SocketAddress) throws -> Void
  ) throws -> Seen {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let address = try listener.localAddress()
    let descriptor = try listener.take().release()
    let stop = try PipeDescriptors()
    let reader = stop.reader.release()
    let party = SecondParty {
      var server = OddServer(oddity: oddity)
      return try server.run(
        Socket(adopting: OwnedDescriptor(adopting: descriptor)), until: OwnedDescriptor(adopting: reader))
    }
    let outcome = Result { try body(address) }
    try stop.writer.close()
    let seen = try party.join()
    try outcome.get()
    return seen
  }

  private init(oddity: Oddity) {
    self.oddity = oddity
  }

  private mutating func run(_ listener: Socket, until end: consuming OwnedDescriptor) throws -> Seen {
    let stop = end.fileDescriptor
    while true {
      let sources = [stop, listener.fileDescriptor] + clients.map(\.fileDescriptor)
      let ready = try select(reading: sources, timeout: .seconds(60)).reading
      if ready.isEmpty || ready.contains(stop) { break }
      if ready.contains(listener.fileDescriptor), let client = try listener.accept() {
        seen.connections += 1
        clients.append(client)
      }
      for client in clients where ready.contains(client.fileDescriptor) { serve(client) }
      clients.removeAll(where: \.isClosed)
    }
    withExtendedLifetime(listener) {}
    return seen
  }

  private mutating func serve(_ client: Socket) {
    guard var bytes = try? client.receive(upTo: 65_536), !bytes.isEmpty else { return client.close() }
    let start = counts[client, default: 0]
    counts[client] = start + bytes.count
    seen.bytes += bytes.count
    switch oddity {
    case .corrupts(let index):
      if (start..<start + bytes.count).contains(index) { bytes[index - start] ^= 0xff }
    case .keepsLast:
      bytes.removeLast()
    case .adds:
      bytes.append(0)
    case .silent(let count, let whenIgnoring):
      if start + bytes.count > count { return whenIgnoring() }
    case .closesAtOnce:
      return client.close()
    case .closesFirst(let count):
      if !isDone, start + bytes.count > count {
        isDone = true
        return client.close()
      }
    case .rejects(let text):
      try? client.sendAll(Array(text.utf8), timeout: .seconds(10))
      return client.close()
    case .ignoresFirst:
      ignored = ignored ?? client
      if ignored == client { return }
    case .trickles:
      for byte in bytes {
        guard (try? client.sendAll([byte], timeout: .seconds(10))) != nil else { return client.close() }
        _ = try? select(timeout: .milliseconds(5))
      }
      return
    case .stalls(let time):
      if !isDone { _ = try? select(timeout: time) }
      isDone = true
    case .none:
      break
    }
    // If the client has gone, the next read closes the connection.
    try? client.sendAll(bytes, timeout: .seconds(10))
  }
}
