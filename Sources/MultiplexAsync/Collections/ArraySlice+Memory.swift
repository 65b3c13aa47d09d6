/// Several pieces of bytes, as vectored calls take them.
extension ArraySlice<[UInt8]> {
  /// Calls a closure with the memory of all pieces, valid during the call.
  func withMemory<Result>(
    _ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Result
  ) -> Result {
    unsafe withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: count) { memory in
      unsafe gather(from: startIndex, memory, body)
    }
  }

  /// The memory of each piece has to stay valid while the following ones are added, hence the recursion.
  private func gather<Result>(
    from index: Int, _ memory: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>,
    _ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Result
  ) -> Result {
    guard index < endIndex else { return unsafe body(UnsafeBufferPointer(memory)) }
    return unsafe self[index].withUnsafeBytes { piece in
      unsafe memory.initializeElement(at: index - startIndex, to: piece)
      return unsafe gather(from: index + 1, memory, body)
    }
  }
}
