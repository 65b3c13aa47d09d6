/// Bytes in order, first in, first out: waiting to be sent, or received and not yet read. An empty queue holds no
/// memory.
struct ByteQueue {
  private var bytes: [UInt8] = []
  /// Where the remaining bytes begin: moving them to the front after each send would cost time.
  private var start = 0

  var count: Int { bytes.count - start }
  var isEmpty: Bool { count == 0 }

  mutating func append(_ more: some Collection<UInt8>) {
    if start > bytes.count / 2 {
      bytes.removeFirst(start)
      start = 0
    }
    bytes.append(contentsOf: more)
  }

  /// The bytes, in order.
  var contents: ArraySlice<UInt8> { bytes[start...] }

  mutating func removeFirst(_ count: Int) {
    start += count
    guard isEmpty else { return }
    bytes = []
    start = 0
  }
}
