/// Several pieces of bytes at once, as vectored calls take them.
extension Collection<[UInt8]> {
  /// Of all pieces together.
  var byteCount: Int { reduce(0) { $0 + $1.count } }
}

extension ArraySlice<[UInt8]> {
  /// Lends the memory of all pieces, for the time of the call.
  func withMemory<Result>(
    _ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Result
  ) -> Result {
    unsafe withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: count) { memory in
      unsafe lend(from: startIndex, memory, body)
    }
  }

  /// Each piece stays lent while those behind it are, which takes one call inside the other.
  private func lend<Result>(
    from index: Int, _ memory: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>,
    _ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Result
  ) -> Result {
    guard index < endIndex else { return unsafe body(UnsafeBufferPointer(memory)) }
    return unsafe self[index].withUnsafeBytes { piece in
      unsafe memory.initializeElement(at: index - startIndex, to: piece)
      return unsafe lend(from: index + 1, memory, body)
    }
  }
}
