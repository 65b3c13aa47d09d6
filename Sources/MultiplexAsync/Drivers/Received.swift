internal import SystemPackage

/// The result of a receive. Whoever takes the buffer owns it; it must be taken only once.
@safe
enum Received: Sendable {
  case bytes(PooledBuffer, count: Int)
  case endOfInput
  case failure(Errno)
}
