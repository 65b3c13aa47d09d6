extension ContiguousArray {
  /// Makes room for an index. The array at least doubles, so that growing costs little per element.
  @inlinable
  package mutating func grow(toHold index: Int, filledWith element: Element) {
    let missing = index + 1 - count
    if missing > 0 { append(contentsOf: repeatElement(element, count: Swift.max(missing, count))) }
  }
}
