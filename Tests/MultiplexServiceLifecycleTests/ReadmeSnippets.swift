#if ServiceLifecycle
  import MultiplexAsync
  import MultiplexServiceLifecycle
  import ServiceLifecycle
  import UnixSignals

  /// The README's code, verbatim except for indentation: `DocumentationTests` compares.
  enum ReadmeSnippets {
    static func serveAsService(_ listener: Listener) async throws {
      let service = ListenerService(listener, drainTimeout: .seconds(10)) { connection in
        while let chunk = try await connection.read() {
          try await connection.write(chunk)
        }
      }
      try await ServiceGroup(services: [service], gracefulShutdownSignals: [.sigterm]).run()
    }
  }
#endif
