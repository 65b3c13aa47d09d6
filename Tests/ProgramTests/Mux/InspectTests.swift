#if FlyingFox
  import Foundation
  import Multiplex
  import TestSupport
  import Testing

  /// What `mux serve --inspect` shows, compared with what clients have done.
  @Suite("mux serve --inspect", .enabled(if: Python.isPresent))
  struct InspectTests {
    @Test("state.json counts connections and bytes, and lists the connections", arguments: usableBackends)
    func counts(backend: Poller.Backend) throws {
      let inspected = try InspectedServer(backend)
      let peers = try (0..<3).map { _ in try inspected.server.connect() }
      for (peer, text) in zip(peers, ["first", "second one", "the third"]) {
        try peer.send(text)
        #expect(try peer.receiveText(text.utf8.count) == text)
      }
      let addresses = try peers.map { try $0.socket.localAddress().description }
      peers[1].socket.close()
      let state = try inspected.state { $0.connections.open == 2 && $0.transfers.sentBytes == 24 }
      #expect(state.connections.accepted == 3)
      #expect(state.connections.open == 2)
      #expect(state.connections.closed["finished"] == 1)
      #expect(state.connections.closed.values.reduce(0, +) == 1)
      #expect(state.transfers.receivedBytes == 24 && state.transfers.sentBytes == 24)
      #expect(state.connections.queuedBytes == 0)
      // The most recently active first.
      #expect(state.recentConnections.map(\.peer) == [addresses[2], addresses[0]])
      #expect(state.recentConnections.map(\.receivedBytes) == [9, 5])
      #expect(state.recentConnections.map(\.sentBytes) == [9, 5])
      #expect(state.omittedConnections == 0)
      for connection in state.recentConnections {
        let link = "/proc/\(inspected.server.process.processID)/fd/\(connection.descriptor)"
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link).hasPrefix("socket:"))
      }
    }

    @Test("state.json says what the server is, and how its loop turns", arguments: usableBackends)
    func turns(backend: Poller.Backend) throws {
      let inspected = try InspectedServer(backend, ["--service", "echo", "--trace"])
      let peer = try inspected.server.connect()
      try peer.send("hello")
      #expect(try peer.receiveText(5) == "hello")
      let state = try inspected.state { state in
        state.threads[0].lastTurns.contains { $0.done.contains { $0.contains("received 5") } }
      }
      let server = state.server
      #expect(server.service == "echo" && server.backend == backend.name && server.threads == 1)
      #expect(server.addresses == [try inspected.server.address.description])
      #expect(server.processID == inspected.server.process.processID)
      let turn = try #require(state.threads[0].lastTurns.last { $0.done.contains { $0.contains("received 5") } })
      #expect(turn.done.contains { $0.hasSuffix("received 5, sent 5") })
      #expect(turn.registered.contains { $0.hasSuffix("listener for read") })
      #expect(turn.ready.contains { $0.contains("readable") })
      #expect(state.turns.count >= 1 && state.turns.ready >= 1)
      // The trace prints the same turn.
      let printed = try inspected.server.process.line(containing: "received 5")
      #expect(printed.hasSuffix(try #require(turn.done.first { $0.contains("received 5") })))
    }

    @Test("state.json has the rates of the last minute")
    func rates() throws {
      let inspected = try InspectedServer()
      let peer = try inspected.server.connect()
      let bytes = numbered(1 << 20)
      _ = try peer.sendReluctantlyReading(bytes)
      let state = try inspected.state { $0.lastMinute.contains { $0.receivedPerSecond > 0 } }
      let moments = state.lastMinute.filter { $0.receivedPerSecond > 0 }
      #expect(!moments.isEmpty)
      #expect(moments.allSatisfy { $0.secondsAgo <= state.server.uptimeSeconds })
    }

    @Test("each of several threads is shown with its own connections", arguments: usableBackends)
    func threads(backend: Poller.Backend) throws {
      let inspected = try InspectedServer(backend, ["--threads", "2"])
      // The kernel spreads them by a hash: with 48, neither thread stays without one.
      let peers = try (0..<48).map { _ in try inspected.server.connect() }
      for peer in peers {
        try peer.send("x")
        #expect(try peer.receiveText(1) == "x")
      }
      let state = try inspected.state { $0.connections.open == 48 && $0.transfers.sentBytes == 48 }
      #expect(state.server.threads == 2)
      #expect(state.threads.map(\.thread) == [1, 2])
      #expect(state.connections.accepted == 48 && state.transfers.receivedBytes == 48)
      for thread in state.threads {
        #expect(thread.open > 0)
        #expect(state.recentConnections.count { $0.thread == thread.thread } == thread.open)
        #expect(!thread.lastTurns.isEmpty)
      }
      let ports = Set(state.recentConnections.map(\.peer))
      #expect(try ports == Set(peers.map { try $0.socket.localAddress().description }))
    }

    @Test("at most 200 connections are listed, the most recently active ones")
    func manyConnections() throws {
      let inspected = try InspectedServer()
      let peers = try (0..<207).map { _ in try inspected.server.connect() }
      for peer in peers + [peers[0], peers[1]] {
        try peer.send("x")
        #expect(try peer.receiveText(1) == "x")
      }
      let state = try inspected.state { $0.transfers.sentBytes == 209 }
      #expect(state.connections.open == 207)
      #expect(state.recentConnections.count == 200)
      #expect(state.omittedConnections == 7)
      let recent = [peers[1], peers[0]] + peers.dropFirst(9).reversed()
      let addresses = try recent.map { try $0.socket.localAddress().description }
      #expect(state.recentConnections.map(\.peer) == addresses)
      // Many are registered: they are counted.
      #expect(state.threads[0].lastTurns.last?.registered.contains { $0.hasPrefix("207 clients for read") } == true)
    }

    @Test("bytes for a client that doesn't read are shown as queued", arguments: usableBackends)
    func queued(backend: Poller.Backend) throws {
      let inspected = try InspectedServer(backend)
      let peer = try inspected.server.connect()
      _ = try peer.fill(with: numbered(64 << 20))
      let state = try inspected.state { $0.connections.queuedBytes > 0 }
      #expect(state.connections.queuedBytes > 0)
      #expect(state.recentConnections.map(\.queuedBytes) == [state.connections.queuedBytes])
      peer.socket.close()
      let later = try inspected.state { $0.connections.open == 0 }
      #expect(later.connections.queuedBytes == 0)
      #expect(later.connections.closed["lost"] == 1)
    }

    @Test("the page is one well-formed document that refers to nothing but the state")
    func page() throws {
      let answer = try InspectedServer().ask("GET", "/")
      #expect(answer.status == 200)
      #expect(answer.headers["content-type"] == "text/html; charset=utf-8")
      let page = try HTMLReport(source: answer.body)
      #expect(page.links == ["/state.json"])
      #expect(page.elements["svg"] == 2 && page.elements["table"] == 1 && page.elements["script"] == 1)
      #expect(page.text.contains("The loop") && page.text.contains("Connections"))
      // The browser enforces it.
      let policy = try #require(answer.headers["content-security-policy"])
      #expect(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"))
      // What a peer has chosen, such as the path of its socket, is never markup.
      for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval("] {
        #expect(!answer.body.contains(word))
      }
    }

    @Test("a peer's name is data in state.json, whatever it contains")
    func strangePeer() throws {
      let folder = try TemporaryFolder()
      let inspected = try InspectedServer(.automatic, ["--unix", folder.file("socket")])
      let name = folder.file("<b>\"&\\")
      let client = try ChildProcess(
        "python3",
        [
          "-c",
          """
          import socket, sys
          client = socket.socket(socket.AF_UNIX)
          client.bind(sys.argv[1])
          client.connect(sys.argv[2])
          client.sendall(b"x")
          print(client.recv(1).decode(), flush=True)
          sys.stdin.read()
          """, name, folder.file("socket"),
        ])
      #expect(try client.nextLine() == "x")
      #expect(try inspected.state { $0.transfers.sentBytes == 1 }.recentConnections.map(\.peer) == [name])
    }

    @Test("every field of state.json is documented")
    func documented() throws {
      let inspected = try InspectedServer()
      let peer = try inspected.server.connect()
      try peer.send("x")
      #expect(try peer.receiveText(1) == "x")
      _ = try inspected.state { !$0.lastMinute.isEmpty && $0.transfers.sentBytes == 1 }
      let state = try JSONSerialization.jsonObject(with: Data(inspected.ask("GET", "/state.json").body.utf8))
      let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../..")
      let text = try String(contentsOf: root.appending(path: "docs/inspector.md"), encoding: .utf8)
      let keys = Self.keys(of: state)
      #expect(keys.count > 40)
      for key in keys { #expect(text.contains("`\(key)`"), "\(key)") }
    }

    private static func keys(of value: Any) -> Set<String> {
      switch value {
      case let object as [String: Any]: object.reduce(into: Set(object.keys)) { $0.formUnion(keys(of: $1.value)) }
      case let list as [Any]: list.reduce(into: []) { $0.formUnion(keys(of: $1)) }
      default: []
      }
    }

    @Test("other paths are answered with 404, other methods with 405, and HEAD without a body")
    func otherRequests() throws {
      let inspected = try InspectedServer()
      for path in ["/nowhere", "/state.json/nowhere", "/../etc/passwd"] {
        #expect(try inspected.ask("GET", path).status == 404)
      }
      for method in ["POST", "PUT", "DELETE"] {
        let answer = try inspected.ask(method, "/state.json", body: "x")
        #expect(answer.status == 405)
        #expect(answer.headers["allow"] == "GET, HEAD")
      }
      let (whole, head) = (try inspected.ask("GET", "/"), try inspected.ask("HEAD", "/"))
      #expect(head.status == 200)
      #expect(head.headers["content-length"] == "\(whole.body.utf8.count)")
      // Python wouldn't look for a body.
      let peer = try EchoPeer(connectingTo: inspected.address)
      try peer.send("HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
      let received = String(decoding: try peer.receiveToEnd(), as: UTF8.self)
      #expect(received.hasPrefix("HTTP/1.1 200 OK\r\n") && received.hasSuffix("\r\n\r\n"))
    }

    /// What a page on the web could make a browser do, with a name of its own that leads here.
    @Test("a request to another host's name is refused, whatever it asks for")
    func foreignHost() throws {
      let inspected = try InspectedServer(.automatic)
      func status(_ host: String) throws -> String {
        let peer = try EchoPeer(connectingTo: inspected.address)
        try peer.send("GET /state.json HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n")
        return String(decoding: try peer.receiveToEnd().prefix(12), as: UTF8.self)
      }
      for host in ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example:1"] {
        #expect(try status(host) == "HTTP/1.1 403")
      }
      for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:80"] {
        #expect(try status(host) == "HTTP/1.1 200")
      }
    }

    @Test("garbage on the inspector's port disturbs neither the inspector nor the server", arguments: usableBackends)
    func garbage(backend: Poller.Backend) throws {
      let inspected = try InspectedServer(backend)
      let peer = try inspected.server.connect()
      for bytes in [numbered(100_000), Array("GET\r\n\r\n".utf8), [0x16, 0x03, 0x01, 0x02, 0x00], []] {
        let stranger = try EchoPeer(connectingTo: inspected.address)
        // It may have been closed by the other side by now.
        try? stranger.socket.sendAll(bytes, timeout: ChildProcess.limit)
        try? stranger.socket.shutdown(.writing)
        // Neither the answer nor a reset matters.
        _ = try? stranger.receiveToEnd()
        try peer.send("still here")
        #expect(try peer.receiveText(10) == "still here")
      }
      #expect(try inspected.state.connections.open == 1)
    }

    @Test("the inspector leaves no descriptor behind, and survives a lack of them")
    func noDescriptors() throws {
      let inspected = try InspectedServer(.automatic, openFileLimit: 40)
      _ = try inspected.state
      #expect(eventually { inspected.server.openSockets == 2 })
      // It resets those that it can't accept.
      var strangers = (0..<60).map { _ in try? EchoPeer(connectingTo: inspected.address) }
      #expect(eventually { inspected.server.process.errorText.contains("interrupted") })
      strangers.removeAll()
      #expect(eventually { (try? inspected.state) != nil })
      #expect(eventually { inspected.server.openSockets == 2 })
    }

    @Test("the server ends on a signal though a page is open", arguments: usableBackends, ["1", "2"])
    func open(backend: Poller.Backend, threads: String) throws {
      let inspected = try InspectedServer(backend, ["--threads", threads, "--drain-timeout", "1000"])
      // A page that asks again and again, one that is idle, one that is in the middle of a request, and one that doesn't
      // read what it has asked for.
      let page = try ChildProcess(
        "python3",
        [
          "-c",
          """
          import http.client, socket, sys
          port = int(sys.argv[1])
          idle = http.client.HTTPConnection("127.0.0.1", port)
          idle.request("GET", "/", headers={"Connection": "keep-alive"})
          idle.getresponse().read()
          unfinished = socket.create_connection(("127.0.0.1", port))
          unfinished.sendall(b"GET /state.json HTT")
          deaf = socket.create_connection(("127.0.0.1", port))
          deaf.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n" * 2000)
          asking = http.client.HTTPConnection("127.0.0.1", port)
          while True:
              asking.request("GET", "/state.json", headers={"Connection": "keep-alive"})
              asking.getresponse().read()
              print("asked", flush=True)
          """, "\(try inspected.port)",
        ])
      for _ in 0..<5 { #expect(try page.nextLine() == "asked") }
      #expect(try inspected.server.stop() == .exited(0))
      #expect(inspected.server.process.errorText == "inspector at http://\(inspected.address)/\n")
      _ = try page.waitForExit()
    }

    @Test("a port that is taken is reported with exit status 69, and nothing is served")
    func portTaken() throws {
      let server = try MuxServer()
      let taken = "127.0.0.1:\(try server.port)"
      let process = try ChildProcess.mux(["serve", "--listen", "127.0.0.1:0", "--inspect", taken])
      #expect(try process.waitForExit() == .exited(69))
      #expect(process.errorText.hasPrefix("mux: bind \(taken): "))
      #expect(process.errorText.contains("choose another port"))
      #expect(process.errorText.split(separator: "\n").count == 1)
      #expect(process.outputText.isEmpty)
    }

    @Test("an inspector doesn't outlive a server that can't listen")
    func serverPortTaken() throws {
      let server = try MuxServer()
      let process = try ChildProcess.mux(
        ["serve", "--listen", "127.0.0.1:\(try server.port)", "--inspect", "127.0.0.1:0"])
      #expect(try process.waitForExit() == .exited(69))
      #expect(process.errorText.contains("choose another port"))
      #expect(process.errorText.split(separator: "\n").count == 1)
    }
  }
#endif
