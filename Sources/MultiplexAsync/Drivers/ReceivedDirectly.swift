/// What a receive into memory of the caller's has brought.
enum ReceivedDirectly {
  /// So many bytes, at the beginning of the memory.
  case filled(count: Int)
  /// Nothing for the memory: bytes that are in a buffer of the pool, or no bytes.
  case elsewhere(Received)
}
