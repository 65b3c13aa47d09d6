/// A part of a server's connections: those whose handlers run in one task group. Belongs to the thread of the
/// listener's event loop.
///
/// When a task of a group ends, the runtime searches for it among all that began earlier and still run: with a single
/// group, each short connection would cost time in proportion to the number of idle ones. So a group takes no more than
/// ``capacity``.
final class HandlerGroup {
  private static let capacity = 128

  let server: ConnectionServer
  private var count = 0

  init(of server: ConnectionServer) {
    self.server = server
  }

  var hasRoom: Bool { count < Self.capacity }

  func begin() {
    count += 1
    server.begin()
  }

  func end() {
    count -= 1
    server.end()
  }
}
