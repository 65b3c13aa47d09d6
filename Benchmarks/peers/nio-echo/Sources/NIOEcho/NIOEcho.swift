import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An echo server on SwiftNIO with one event loop: `nio-echo handler|async`.
///
/// `handler` is SwiftNIO's fastest API: a channel handler, with the settings of its own echo server. `async` is the
/// same with async/await, on `NIOAsyncChannel`.
@main
enum NIOEcho {
  static func main() async throws {
    switch CommandLine.arguments.dropFirst().first {
    case "handler": try await serveWithHandlers()
    case "async": try await serveWithTasks()
    default: print("usage: nio-echo handler|async")
    }
  }

  private static func serveWithHandlers() async throws {
    let listener =
      try await bootstrap
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandlers([BackPressureHandler(), EchoHandler()])
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    announce(listener)
    try await listener.closeFuture.get()
  }

  private static func serveWithTasks() async throws {
    let listener = try await bootstrap.bind(host: "127.0.0.1", port: 0) { channel in
      channel.eventLoop.makeCompletedFuture {
        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
      }
    }
    announce(listener.channel)
    try await withThrowingDiscardingTaskGroup { group in
      try await listener.executeThenClose { connections in
        for try await connection in connections {
          group.addTask { await echo(connection) }
        }
      }
    }
  }

  /// Echoes until the connection ends. Errors are ignored: the load generator may close with bytes unread.
  private static func echo(_ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async {
    try? await connection.executeThenClose { inbound, outbound in
      for try await bytes in inbound {
        try await outbound.write(bytes)
      }
    }
  }

  private static var bootstrap: ServerBootstrap {
    ServerBootstrap(group: MultiThreadedEventLoopGroup(numberOfThreads: 1))
      .serverChannelOption(.backlog, value: 4096)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.maxMessagesPerRead, value: 16)
      .childChannelOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator())
  }

  /// Prints the address at once, also into a pipe, for which `print` would buffer: the benchmark waits for it.
  private static func announce(_ listener: any Channel) {
    let line = "listening on 127.0.0.1:\(listener.localAddress?.port ?? 0)\n"
    _ = Array(line.utf8).withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
  }
}

private final class EchoHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    context.write(data, promise: nil)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    context.flush()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }
}
