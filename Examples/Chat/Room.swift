import MultiplexAsync
import Synchronization

/// Who is in the chat, and what each of them is still to get. For any thread.
final class Room: Sendable {
  private struct Member {
    let client: Connection
    let lines: AsyncStream<String>.Continuation
  }

  /// How many lines a client may be behind.
  private static let backlog = 1000

  private let members = Mutex<[ObjectIdentifier: Member]>([:])

  /// - Returns: What is said from now on by others.
  func admit(_ client: Connection) -> AsyncStream<String> {
    let (lines, continuation) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingOldest(Self.backlog))
    members.withLock { $0[ObjectIdentifier(client)] = Member(client: client, lines: continuation) }
    return lines
  }

  func dismiss(_ client: Connection) {
    _ = members.withLock { $0.removeValue(forKey: ObjectIdentifier(client)) }
  }

  /// Gives a line to all others. Whoever is too far behind is out.
  func say(_ line: String, from speaker: Connection) {
    // Not under the lock, as it may have somebody's task go on.
    for member in everyone where member.client !== speaker {
      if case .dropped = member.lines.yield(line) { member.client.abort() }
    }
  }

  /// Nothing more is said: each gets what was, and then the end.
  func end() {
    for member in everyone { member.lines.finish() }
  }

  private var everyone: [Member] { members.withLock { Array($0.values) } }
}
