/// Values by descriptor, in an array: numbers are small, as the kernel gives the lowest that is free.
///
/// It is seen into from other modules, for those who are generic over the value and must be as fast there.
@usableFromInline
struct DescriptorTable<Value> {
  @usableFromInline var slots: ContiguousArray<Value?> = []
  /// How many values there are.
  @usableFromInline var count = 0

  @usableFromInline
  init() {}

  /// The value of a descriptor. To set one, the descriptor must be open, or have been: the array becomes as long as the
  /// highest number in it.
  @inlinable
  subscript(fd: Int32) -> Value? {
    get { hasSlot(fd) ? slots[Int(fd)] : nil }
    set {
      if !hasSlot(fd) {
        guard fd >= 0, newValue != nil else { return }
        makeSlot(Int(fd))
      }
      if slots[Int(fd)] != nil { count -= 1 }
      if newValue != nil { count += 1 }
      slots[Int(fd)] = newValue
    }
  }

  /// All values, in the order of their descriptors.
  @inlinable
  var values: some Sequence<Value> { slots.lazy.compactMap(\.self) }

  @inlinable
  func hasSlot(_ fd: Int32) -> Bool {
    fd >= 0 && Int(fd) < slots.count
  }

  /// Makes room for twice as many at least, so that growing costs little per descriptor.
  @inlinable
  mutating func makeSlot(_ index: Int) {
    let growth = max(index + 1 - slots.count, slots.count)
    slots.append(contentsOf: repeatElement(nil, count: growth))
  }
}
