/// Elements by number. Free numbers are reused first.
struct SlotTable<Element> {
  typealias Slot = UInt32

  private var elements: ContiguousArray<Element?> = []
  private var free: [Slot] = []

  var count: Int { elements.count - free.count }
  var isEmpty: Bool { count == 0 }

  /// The elements.
  var all: some Sequence<Element> { elements.lazy.compactMap(\.self) }

  subscript(slot: Slot) -> Element? {
    Int(slot) < elements.count ? elements[Int(slot)] : nil
  }

  mutating func insert(_ element: Element) -> Slot {
    guard let slot = free.popLast() else {
      elements.append(element)
      return Slot(elements.count - 1)
    }
    elements[Int(slot)] = element
    return slot
  }

  /// Removes and returns the element.
  @discardableResult
  mutating func remove(_ slot: Slot) -> Element? {
    guard let element = elements[Int(slot)] else { return nil }
    elements[Int(slot)] = nil
    free.append(slot)
    return element
  }
}
