#if FlyingFox
  import FlyingFox
  import FlyingSocks
  import MultiplexAsync
  import MultiplexFlyingFox

  /// The README's code, verbatim except for indentation: `DocumentationTests` compares.
  enum ReadmeSnippets {
    static func serveHTTP(_ reactor: Reactor) async throws {
      let server = HTTPServer(address: .loopback(port: 8080), pool: .reactor(reactor))
      await server.appendRoute("/hello") { _ in HTTPResponse(statusCode: .ok) }
      try await server.run()
    }
  }
#endif
