/// The first elements of a list, and how many follow. The last one can be replaced even if it is among those left out.
struct Excerpt<Element> {
  private let limit: Int
  private(set) var elements: [Element] = []
  /// The number of elements left out.
  private(set) var omitted = 0
  /// The last element, if it was left out.
  private var omittedLast: Element?

  /// Makes an empty list.
  ///
  /// - Parameter limit: The maximum number of elements to keep.
  init(limit: Int) {
    self.limit = limit
  }

  var isEmpty: Bool { elements.isEmpty && omitted == 0 }

  var last: Element? { omittedLast ?? elements.last }

  mutating func append(_ element: Element) {
    guard elements.count >= limit else { return elements.append(element) }
    omittedLast = element
    omitted += 1
  }

  /// Replaces the last element; the list must have one.
  mutating func replaceLast(with element: Element) {
    if omittedLast != nil { omittedLast = element } else { elements[elements.count - 1] = element }
  }

  /// Describes the elements, and says how many were left out.
  func words(_ describe: (Element) -> String) -> [String] {
    elements.map(describe) + (omitted > 0 ? ["and \(Quantity.count(omitted)) more"] : [])
  }
}

extension Excerpt: Sendable where Element: Sendable {}
