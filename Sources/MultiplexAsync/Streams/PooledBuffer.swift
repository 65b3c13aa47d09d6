/// Memory that belongs to a pool, and goes back there once. What owns it, or has handed it on, is up to its holder:
/// ``Chunk`` is the type that can't get that wrong.
@unsafe
struct PooledBuffer: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
}
