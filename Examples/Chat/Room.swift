import MultiplexAsync
import Synchronization

/// Who is in the chat, and what each of them is still to get. For any thread.
final class Room: Sendable {
  /// How many lines a client may be behind.
  private static let backlog = 1000

  private let members = Mutex<[Connection: AsyncStream<String>.Continuation]>([:])

  /// - Returns: What is said from now on by others.
  func admit(_ client: Connection) -> AsyncStream<String> {
    let (lines, continuation) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingOldest(Self.backlog))
    members.withLock { $0[client] = continuation }
    return lines
  }

  func dismiss(_ client: Connection) {
    members.withLock { $0[client] = nil }
  }

  /// Gives a line to all others. Whoever is too far behind is out.
  func say(_ line: String, from speaker: Connection) {
    // Not under the lock, as it may have somebody's task go on.
    for (client, lines) in everyone where client != speaker {
      if case .dropped = lines.yield(line) { client.abort() }
    }
  }

  /// Nothing more is said: each gets what was, and then the end.
  func end() {
    for lines in everyone.values { lines.finish() }
  }

  private var everyone: [Connection: AsyncStream<String>.Continuation] { members.withLock { $0 } }
}
