internal import CMultiplex

/// The header and the vectors of `sendmsg`, which describe several buffers that are sent as one.
@safe
package final class MessageHeader {
  private let capacity: Int
  private let vectors: UnsafeMutablePointer<iovec>
  let header: UnsafeMutablePointer<msghdr>

  /// - Parameter capacity: The most buffers in a message.
  package init(capacity: Int) {
    self.capacity = capacity
    unsafe vectors = .allocate(capacity: capacity)
    unsafe header = .allocate(capacity: 1)
    unsafe vectors.initialize(repeating: iovec(), count: capacity)
    unsafe header.initialize(to: msghdr())
    unsafe header.pointee.msg_iov = unsafe vectors
  }

  deinit {
    unsafe header.deallocate()
    unsafe vectors.deallocate()
  }

  /// Describes the first buffers of a collection, at most as many as there is room for.
  package func fill(_ count: Int, _ bytes: (Int) -> UnsafeRawBufferPointer) {
    let count = min(count, capacity)
    for index in 0..<count {
      let bytes = unsafe bytes(index)
      // Sending only reads.
      unsafe vectors[index] = iovec(iov_base: .init(mutating: bytes.baseAddress), iov_len: bytes.count)
    }
    unsafe header.pointee.msg_iovlen = .init(count)
  }
}
