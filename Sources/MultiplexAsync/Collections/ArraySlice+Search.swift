extension ArraySlice<UInt8> {
  /// How many elements there are up to the end of the first occurrence of a delimiter; nil if there is none.
  ///
  /// - Parameter start: How many elements to skip.
  func endOfFirst(_ delimiter: [UInt8], from start: Int) -> Int? {
    guard let first = delimiter.first else { return start }
    var rest = dropFirst(start)
    while let position = rest.firstIndex(of: first) {
      rest = rest[position...]
      if rest.starts(with: delimiter) { return position - startIndex + delimiter.count }
      rest = rest.dropFirst()
    }
    return nil
  }
}
