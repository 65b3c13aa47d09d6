internal import CMultiplex

/// Where the kernel finds several buffers that are to be sent as one: the header and the vectors of `sendmsg`.
@safe
package final class MessageHeader {
  private let capacity: Int
  private let vectors: UnsafeMutablePointer<iovec>
  let header: UnsafeMutablePointer<msghdr>

  /// - Parameter capacity: How many buffers there is room for.
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

  /// Names the first buffers of something: at most so many as there is room for.
  package func fill(_ count: Int, _ bytes: (Int) -> UnsafeRawBufferPointer) {
    let count = min(count, capacity)
    for index in 0..<count {
      let bytes = unsafe bytes(index)
      // A send only reads.
      unsafe vectors[index] = iovec(iov_base: .init(mutating: bytes.baseAddress), iov_len: bytes.count)
    }
    unsafe header.pointee.msg_iovlen = .init(count)
  }
}
