/// Bytes that wait to be sent, first in, first out. An empty queue holds no memory.
struct ByteQueue {
  private var bytes: [UInt8] = []
  /// Where the bytes that are still waiting begin: moving them up for each send would cost time.
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

  /// The bytes in their order.
  var contents: ArraySlice<UInt8> { bytes[start...] }

  mutating func removeFirst(_ count: Int) {
    start += count
    guard isEmpty else { return }
    bytes = []
    start = 0
  }
}
