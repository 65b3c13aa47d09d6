import Multiplex
import MultiplexAsync
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An echo server with async/await, to be measured: `async-echo BACKEND`.
@main
enum AsyncEcho {
  static func main() async throws {
    let name = CommandLine.arguments.dropFirst().first ?? "epoll"
    guard let backend = Poller.Backend(named: name) else {
      try FileDescriptor.standardError.writeAll(Array("async-echo: no backend is called '\(name)'\n".utf8))
      exit(EX_USAGE)
    }
    _ = try OpenFileLimit.raise()
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: Reactor(backend: backend))
    // At once, also into a pipe: the benchmark waits for it.
    try FileDescriptor.standardOutput.writeAll(Array("listening on \(listener.localAddress) (\(backend))\n".utf8))
    await listener.serve { connection in
      while let chunk = try await connection.read() {
        try await connection.write(chunk)
      }
    }
  }
}
