extension Collection<UInt8> {
  /// Passes the bytes in one piece. A collection that isn't contiguous is copied once.
  @inlinable
  func withContiguousBytes<Result>(
    _ body: (RawSpan) throws(MultiplexError) -> Result
  ) throws(MultiplexError) -> Result {
    // Any bytes are valid bytes.
    let result = withContiguousStorageIfAvailable { bytes in
      Swift.Result { () throws(MultiplexError) in try body(unsafe bytes.span.bytes) }
    }
    if let result { return try result.get() }
    let copy = [UInt8](self)
    return try body(unsafe copy.span.bytes)
  }
}
