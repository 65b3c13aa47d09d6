#if FlyingFox
  import Foundation
  import Multiplex
  import TestSupport
  import Testing

  /// A running `mux serve --inspect`, whose inspector another implementation of HTTP asks: Python's.
  struct InspectedServer {
    /// What the inspector has answered.
    struct Answer: Decodable {
      let status: Int
      /// By their names in lower case.
      let headers: [String: String]
      let body: String
    }

    /// The parts of /state.json that tests look at.
    struct State: Decodable {
      struct Server: Decodable {
        let service: String
        let backend: String
        let threads: Int
        let addresses: [String]
        let processID: Int32
        let uptimeSeconds: Double
      }

      struct Connections: Decodable {
        let open: Int
        let accepted: Int
        let closed: [String: Int]
        let queuedBytes: Int
      }

      struct Transfers: Decodable {
        let receivedBytes: Int
        let sentBytes: Int
      }

      struct Turns: Decodable {
        let count: Int
        let ready: Int
      }

      struct Moment: Decodable {
        let secondsAgo: Double
        let receivedPerSecond: Double
      }

      struct Turn: Decodable {
        let turn: Int
        let registered: [String]
        let ready: [String]
        let done: [String]
      }

      struct Thread: Decodable {
        let thread: Int
        let open: Int
        let lastTurns: [Turn]
      }

      struct Connection: Decodable {
        let descriptor: Int
        let peer: String?
        let thread: Int
        let receivedBytes: Int
        let sentBytes: Int
        let queuedBytes: Int
      }

      let server: Server
      let connections: Connections
      let transfers: Transfers
      let turns: Turns
      let lastMinute: [Moment]
      let threads: [Thread]
      let recentConnections: [Connection]
      let omittedConnections: Int
    }

    let server: MuxServer
    /// Where the inspector listens.
    let address: SocketAddress

    init(_ backend: Poller.Backend = .automatic, _ arguments: [String] = [], openFileLimit: Int? = nil) throws {
      server = try MuxServer(backend, ["--inspect", "127.0.0.1:0"] + arguments, openFileLimit: openFileLimit)
      let process = server.process
      try #require(eventually { process.errorText.contains("\n") })
      let line = try #require(process.errorText.split(separator: "\n").first)
      let match = try #require(line.wholeMatch(of: /inspector at http:\/\/([0-9.:]+)\//), "\(line)")
      address = try SocketAddress(String(match.1))
    }

    var port: UInt16 {
      get throws { try #require(address.port) }
    }

    /// Sends a request, and returns the answer.
    func ask(_ method: String, _ path: String, body: String? = nil) throws -> Answer {
      let printed = try run(
        """
        import json
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("\(method)", "\(path)"\(body.map { ", body=\"\($0)\"" } ?? ""))
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        print(json.dumps({"status": response.status, "headers": headers, "body": response.read().decode()}))
        """)
      return try JSONDecoder().decode(Answer.self, from: Data(printed.utf8))
    }

    /// Runs a Python program that has `http.client` and `port`, and returns what it prints.
    func run(_ program: String) throws -> String {
      try Python.run("import http.client\nport = \(try port)\n" + program)
    }

    /// Asks for the state.
    var state: State {
      get throws {
        let answer = try ask("GET", "/state.json")
        try #require(answer.status == 200)
        return try JSONDecoder().decode(State.self, from: Data(answer.body.utf8))
      }
    }

    /// Asks for the state until it is as expected, and returns the last one.
    func state(when isExpected: (State) throws -> Bool) throws -> State {
      var last = try state
      _ = try eventually {
        if try isExpected(last) { return true }
        last = try state
        return false
      }
      return last
    }
  }
#endif
