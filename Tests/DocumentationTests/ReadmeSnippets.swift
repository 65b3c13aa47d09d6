import Logging
import Multiplex
import MultiplexAsync
import MultiplexLogging

/// The README's code, verbatim except for indentation. What is here compiles, and `DocumentationTests` compares.
enum ReadmeSnippets {
  static func serveEchoes() throws {
    let listener = try Socket.listening(on: SocketAddress("127.0.0.1:9999"))
    let multiplexer = try Multiplexer<Socket>()
    try multiplexer.register(listener, for: .read, attachment: listener)
    while true {
      for event in try multiplexer.wait() {
        let socket = event.registration.attachment
        if socket == listener {
          guard let client = try listener.accept() else { continue }
          try multiplexer.register(client, for: .read, attachment: client)
        } else if let bytes = try socket.receive(upTo: 65_536) {
          if bytes.isEmpty { try multiplexer.unregister(socket) } else { try socket.sendAll(bytes) }
        }
      }
    }
  }

  static func selectReady(_ inputs: [Socket], _ outputs: [Socket]) throws {
    let ready = try select(reading: inputs, writing: outputs, timeout: .milliseconds(500))
    for socket in ready.reading {
      print("can be read:", socket)
    }
  }

  static func pollPipe(_ pipe: borrowing PipeDescriptors) throws {
    let poller = try Poller(backend: .automatic)
    try poller.register(pipe.reader, for: .read, mode: .edge, token: 7)
    for event in try poller.wait(timeout: .seconds(1)) where event.isReadable {
      print("token", event.token, "is", event.readiness)
    }
  }

  static func serveAsynchronously() async throws {
    let reactor = try Reactor()
    let listener = try await Listener.bind(to: "127.0.0.1:9999", on: reactor)
    await listener.serve { connection in
      while let chunk = try await connection.read() {
        try await connection.write(chunk)
      }
    }
  }

  static func serveWithoutTasks(_ listener: Listener) async {
    await listener.serveChunks { connection in
      connection.setIdleTimeout(.seconds(60))
      return ChunkHandler { chunk, replies in replies.write(chunk) }
    }
  }

  static func serveLinesOnSeveralThreads(_ logger: Logger) async throws {
    let group = try ReactorGroup(count: 4, observer: LoggingObserver(logger))
    let listener = try await ListenerGroup.bind(to: "127.0.0.1:9999", on: group)
    await listener.serve(maximumConnections: 10_000) { connection in
      connection.setIdleTimeout(.seconds(60))
      while let line = try await connection.readLine() {
        try await connection.write(line)
      }
    }
  }
}
