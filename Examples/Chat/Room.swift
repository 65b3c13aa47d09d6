import MultiplexAsync
import Synchronization

/// The clients in the chat. Can be used from any thread.
final class Room: Sendable {
  private let members = Mutex<Set<Connection>>([])

  func admit(_ client: Connection) {
    members.withLock { _ = $0.insert(client) }
  }

  func dismiss(_ client: Connection) {
    members.withLock { _ = $0.remove(client) }
  }

  /// Posts a line to all other members.
  func say(_ line: String, from speaker: Connection) {
    let bytes = Array(line.utf8)
    // Not under the lock: posting closes a member that is too far behind, and observers of that may call this room.
    for member in members.withLock({ $0 }) where member != speaker { member.post(bytes) }
  }
}
