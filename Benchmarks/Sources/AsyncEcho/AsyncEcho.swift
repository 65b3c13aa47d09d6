import Multiplex
import MultiplexAsync
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An echo server with async/await, to be measured: `async-echo BACKEND` with a task per connection, which reads and
/// writes; `async-echo BACKEND each` with a task per connection, which waits while the loop calls a chunk handler;
/// `async-echo BACKEND chunks` with a chunk handler alone.
@main
enum AsyncEcho {
  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    let name = arguments.first ?? "epoll"
    guard let backend = Poller.Backend(name) else {
      try FileDescriptor.standardError.writeAll(Array("async-echo: unknown backend '\(name)'\n".utf8))
      exit(EX_USAGE)
    }
    _ = try OpenFileLimit.raise()
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: Reactor(backend: backend))
    // Written at once, also into a pipe: the benchmark waits for it.
    try FileDescriptor.standardOutput.writeAll(Array("listening on \(listener.localAddress) (\(backend))\n".utf8))
    switch arguments.dropFirst().first {
    case "each": await serveEachChunk(listener)
    case "chunks": await serveChunks(listener)
    default: await serve(listener)
    }
  }

  private static func serve(_ listener: Listener) async {
    await listener.serve { connection in
      while let chunk = try await connection.read() {
        try await connection.write(chunk)
      }
    }
  }

  private static func serveEachChunk(_ listener: Listener) async {
    await listener.serve { connection in
      try await connection.forEachChunk { chunk, replies in replies.write(chunk) }
    }
  }

  private static func serveChunks(_ listener: Listener) async {
    await listener.serveChunks { _ in
      ChunkHandler { chunk, replies in replies.write(chunk) }
    }
  }
}
