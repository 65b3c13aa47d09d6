import FlyingSocks
import Foundation

/// An echo server on FlyingSocks, the sockets of FlyingFox, on its pool for epoll.
@main
enum FlyingEcho {
  static func main() async throws {
    let pool = SocketPool.ePoll(maxEvents: 256)
    try await pool.prepare()
    try await withThrowingDiscardingTaskGroup { group in
      group.addTask { try await pool.run() }
      let listener = try listen(on: pool)
      for try await connection in listener.sockets {
        group.addTask { await echo(connection) }
      }
    }
  }

  private static func listen(on pool: some AsyncSocketPool) throws -> AsyncSocket {
    let socket = try Socket(domain: AF_INET, type: .stream)
    try socket.setValue(true, for: .localAddressReuse)
    try socket.bind(to: .inet(ip4: "127.0.0.1", port: 0))
    try socket.listen()
    guard case .ip4(_, let port) = try socket.sockname() else { return try AsyncSocket(socket: socket, pool: pool) }
    FileHandle.standardOutput.write(Data("listening on 127.0.0.1:\(port)\n".utf8))
    return try AsyncSocket(socket: socket, pool: pool)
  }

  private static func echo(_ connection: AsyncSocket) async {
    var on: Int32 = 1
    let size = socklen_t(MemoryLayout.size(ofValue: on))
    _ = setsockopt(connection.socket.file.rawValue, Int32(IPPROTO_TCP), TCP_NODELAY, &on, size)
    // Ends with an error when the peer closes.
    while let bytes = try? await connection.read(atMost: 65_536) {
      guard (try? await connection.write(Data(bytes))) != nil else { break }
    }
    try? connection.close()
  }
}
