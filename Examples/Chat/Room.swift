import MultiplexAsync
import Synchronization

/// Who is in the chat. For any thread.
final class Room: Sendable {
  private let members = Mutex<Set<Connection>>([])

  func admit(_ client: Connection) {
    members.withLock { _ = $0.insert(client) }
  }

  func dismiss(_ client: Connection) {
    members.withLock { _ = $0.remove(client) }
  }

  /// Gives a line to all others.
  func say(_ line: String, from speaker: Connection) {
    let bytes = Array(line.utf8)
    // Not under the lock: whoever is too far behind is closed by it, and who is told of that may come here.
    for member in members.withLock({ $0 }) where member != speaker { member.post(bytes) }
  }
}
