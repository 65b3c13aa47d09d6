internal import SystemPackage

/// What a receive has brought. The buffer belongs to whoever takes it, once.
@safe
enum Received: Sendable {
  case bytes(PooledBuffer, count: Int)
  case endOfInput
  case failure(Errno)
}
