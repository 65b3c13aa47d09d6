/// Several pieces of bytes, as vectored calls take them.
extension Collection<[UInt8]> {
  /// The number of bytes of all pieces together.
  var byteCount: Int { reduce(0) { $0 + $1.count } }
}
