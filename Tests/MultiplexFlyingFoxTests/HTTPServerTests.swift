#if FlyingFox
  import FlyingFox
  import FlyingSocks
  import Foundation
  import Multiplex
  import MultiplexAsync
  import MultiplexFlyingFox
  import TestSupport
  import Testing

  /// FlyingFox on a reactor, queried by another implementation of HTTP, Python's.
  @Suite("An HTTP server on a reactor", .timeLimit(.minutes(3)), .enabled(if: Python.isPresent))
  struct HTTPServerTests {
    @Test("one connection is kept for many requests", arguments: usableBackends)
    func keepAlive(backend: Poller.Backend) async throws {
      try await withHTTPServer(on: try Reactor(backend: backend)) { server in
        let printed = try await server.ask(
          """
          connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
          connection.connect()
          first = connection.sock
          for number in range(100):
              connection.request("POST", "/echo", body=str(number), headers={"Connection": "keep-alive"})
              response = connection.getresponse()
              assert response.status == 200 and response.read() == str(number).encode()
              assert connection.sock is first
          print("kept")
          """)
        #expect(printed == "kept\n")
      }
    }

    @Test("many clients are served at once, each with its own connections", arguments: usableBackends)
    func concurrent(backend: Poller.Backend) async throws {
      try await withHTTPServer(on: try Reactor(backend: backend)) { server in
        let printed = try await server.ask(
          """
          import concurrent.futures
          def ask(client):
              for number in range(15):
                  connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                  body = f"{client} {number} " * 100
                  connection.request("POST", "/echo", body=body)
                  assert connection.getresponse().read() == body.encode()
                  connection.close()
              return 15
          with concurrent.futures.ThreadPoolExecutor(16) as pool:
              print(sum(pool.map(ask, range(16))))
          """)
        #expect(printed == "240\n")
      }
    }

    @Test("a large body is transferred both ways, also with a client that is slow to read", arguments: usableBackends)
    func largeBody(backend: Poller.Backend) async throws {
      try await withHTTPServer(on: try Reactor(backend: backend)) { server in
        let printed = try await server.ask(
          """
          import hashlib, random, time
          body = random.Random(7).randbytes(1_500_000)
          connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
          connection.request("POST", "/echo", body=body)
          response = connection.getresponse()
          digest = hashlib.sha256()
          digest.update(response.read(1000))
          time.sleep(0.05)
          digest.update(response.read())
          print(digest.digest() == hashlib.sha256(body).digest())
          """)
        #expect(printed == "True\n")
      }
    }

    @Test("a client that disconnects in the middle of a request doesn't affect others", arguments: usableBackends)
    func leaving(backend: Poller.Backend) async throws {
      try await withHTTPServer(on: try Reactor(backend: backend)) { server in
        let printed = try await server.ask(
          """
          import socket, struct
          for number in range(20):
              client = socket.create_connection(("127.0.0.1", port))
              client.sendall(b"POST /echo HTTP/1.1\\r\\nContent-Length: 100000\\r\\n\\r\\n" + b"x" * number * 100)
              if number % 2:
                  client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
              client.close()
          connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
          connection.request("POST", "/echo", body="still here")
          print(connection.getresponse().read().decode())
          """)
        #expect(printed == "still here\n")
      }
    }

    @Test("stopping lets a request finish, ends idle connections, and stops listening", arguments: usableBackends)
    func stop(backend: Poller.Backend) async throws {
      let reactor = try Reactor(backend: backend)
      try await withHTTPServer(on: reactor) { server in
        let idle = try await Connection.connect(to: server.address, on: reactor)
        let busy = try await Connection.connect(to: server.address, on: reactor)
        for client in [idle, busy] {
          try await client.write("GET /hello HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
          #expect(try await client.readLine() == Array("HTTP/1.1 200 OK\r\n".utf8))
        }
        try await busy.write("GET /slow HTTP/1.1\r\n\r\n")
        await server.slow.begun.value
        async let stopped: Void = server.server.stop(timeout: 60)
        // This one has ended, though the other hasn't.
        while try await idle.read() != nil {}
        server.slow.end()
        var answer: [UInt8] = []
        while let chunk = try await busy.read() { answer += chunk.array }
        #expect(String(decoding: answer, as: UTF8.self).hasSuffix("finished"))
        await stopped
        // The child of an exit test may keep a copy of the listening socket, which FlyingFox doesn't close on exec.
        #expect(await becomesRefused(server.address))
      }
    }

    /// In its own process: the server closes a descriptor that is waited for, whose number nothing else may take.
    @Test("a server stops in time though its reactor is busy with others")
    func stopWhileBusy() async {
      await #expect(processExitsWith: .success) {
        for backend in usableBackends {
          let reactor = try Reactor(backend: backend)
          // While these run, the reactor's waits always find something.
          let busy = Task {
            try await withThrowingDiscardingTaskGroup { tasks in
              for _ in 0..<8 {
                let (near, far) = try connectedPair()
                let echo = try await Connection.adopt(near, on: reactor)
                let client = try await Connection.adopt(far, on: reactor)
                tasks.addTask { try await echo.forEachChunk { chunk, replies in replies.write(chunk) } }
                tasks.addTask {
                  while true {
                    try await client.write([1])
                    _ = try await client.read()
                  }
                }
              }
            }
          }
          try await withHTTPServer(on: reactor) { server in
            // It is waiting for connections by now.
            try await reactor.sleep(for: .milliseconds(100))
            let begin = ContinuousClock.now
            await server.server.stop(timeout: 20)
            try #require(ContinuousClock.now - begin < .seconds(10))
          }
          busy.cancel()
          _ = await busy.result
        }
      }
    }

    @Test("several servers, and connections of other kinds, share a reactor", arguments: usableBackends)
    func shared(backend: Poller.Backend) async throws {
      let reactor = try Reactor(backend: backend)
      try await withHTTPServer(on: reactor) { first in
        try await withHTTPServer(on: reactor) { second in
          for server in [first, second] {
            let client = try await Connection.connect(to: server.address, on: reactor)
            try await client.write("GET /hello HTTP/1.1\r\n\r\n")
            #expect(try await client.readLine() == Array("HTTP/1.1 200 OK\r\n".utf8))
          }
        }
        // The end of the second doesn't affect the first.
        let client = try await Connection.connect(to: first.address, on: reactor)
        try await client.write("GET /hello HTTP/1.1\r\n\r\n")
        #expect(try await client.readLine() == Array("HTTP/1.1 200 OK\r\n".utf8))
      }
    }
  }
#endif
