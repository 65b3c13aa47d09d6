internal import Multiplex

/// Buffers that a connection has accepted for sending.
@safe
struct OutgoingQueue {
  @unsafe
  private struct Entry {
    let buffer: PooledBuffer
    /// The remaining bytes.
    var range: Range<Int>
    /// Whether more bytes may be appended to the buffer.
    let isOpen: Bool
  }

  /// How many bytes are accepted before the rest has to wait.
  private static let limit = 256 * 1024
  /// The most buffers of one send.
  private static let maximumPerSend = 16

  private var entries: [Entry] = unsafe []
  /// How many bytes remain; the limit keeps this small.
  private var size: UInt32 = 0

  /// How many bytes remain.
  private(set) var count: Int {
    get { Int(size) }
    set { size = UInt32(newValue) }
  }

  var hasRoom: Bool { count < Self.limit }

  /// Appends a filled buffer.
  mutating func append(_ buffer: PooledBuffer, count: Int) {
    unsafe entries.append(Entry(buffer: buffer, range: 0..<count, isOpen: false))
    self.count += count
  }

  /// Appends a copy of bytes.
  ///
  /// - Parameters:
  ///   - bytes: The bytes.
  ///   - take: Returns an empty buffer, for as many bytes as it is passed if possible.
  /// - Returns: How many bytes there was room for.
  mutating func append(_ bytes: UnsafeRawBufferPointer, take: (_ size: Int) -> PooledBuffer) -> Int {
    var copied = 0
    while copied < bytes.count, hasRoom {
      unsafe copied += fill(UnsafeRawBufferPointer(rebasing: bytes[copied...]))
      guard copied < bytes.count else { break }
      unsafe entries.append(Entry(buffer: take(bytes.count - copied), range: 0..<0, isOpen: true))
    }
    return copied
  }

  /// Copies as many bytes as fit into the last buffer.
  private mutating func fill(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard let last = unsafe entries.last, unsafe last.isOpen else { return 0 }
    let room = unsafe last.buffer.capacity - last.range.upperBound
    let part = unsafe bytes.prefix(room)
    guard unsafe !part.isEmpty else { return 0 }
    // The buffer is ours, and has this much room.
    let free = unsafe UnsafeMutableRawBufferPointer(rebasing: last.buffer.memory[last.range.upperBound...])
    unsafe free.copyMemory(from: UnsafeRawBufferPointer(rebasing: part))
    unsafe entries[entries.count - 1].range = last.range.lowerBound..<last.range.upperBound + part.count
    unsafe count += part.count
    return unsafe part.count
  }

  /// Removes and returns the buffer, if it is the only one.
  mutating func takeOnly() -> (buffer: PooledBuffer, range: Range<Int>)? {
    guard unsafe entries.count == 1, let only = unsafe entries.popLast() else { return nil }
    count = 0
    return unsafe (only.buffer, only.range)
  }

  /// Puts a buffer before the others, with its remaining bytes.
  mutating func putBack(_ buffer: PooledBuffer, _ range: Range<Int>) {
    unsafe entries.insert(Entry(buffer: buffer, range: range, isOpen: false), at: 0)
    count += range.count
  }

  /// Calls a body with the first buffers' bytes, in order. They are valid during the call.
  func withPieces<Result>(_ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Result) -> Result {
    let count = unsafe min(entries.count, Self.maximumPerSend)
    return unsafe withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: count) { pieces in
      // These ranges of the buffers are filled.
      for index in 0..<count {
        unsafe pieces.initializeElement(at: index, to: entries[index].buffer.bytes(entries[index].range))
      }
      return unsafe body(UnsafeBufferPointer(pieces))
    }
  }

  /// Removes sent bytes, and recycles buffers that are done.
  mutating func removeFirst(_ sent: Int, recycle: (PooledBuffer) -> Void) {
    count -= sent
    var rest = sent
    var done = 0
    while unsafe done < entries.count, unsafe rest >= entries[done].range.count {
      unsafe rest -= entries[done].range.count
      unsafe recycle(entries[done].buffer)
      done += 1
    }
    unsafe entries.removeFirst(done)
    guard rest > 0, unsafe !entries.isEmpty else { return }
    unsafe entries[0].range = entries[0].range.lowerBound + rest..<entries[0].range.upperBound
  }
}
