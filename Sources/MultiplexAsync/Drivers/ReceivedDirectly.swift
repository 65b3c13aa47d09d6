/// The result of a receive into the caller's memory.
enum ReceivedDirectly {
  /// This many bytes, at the beginning of the memory.
  case filled(count: Int)
  /// Nothing in the memory: either bytes in a buffer of the pool, or no bytes.
  case elsewhere(Received)
}
