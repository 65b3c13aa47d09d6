/// Values by descriptor, in an array: the numbers are small, as the kernel assigns the lowest that is free.
///
/// Inlinable, so that generic code in other modules is as fast with it as with an array.
@usableFromInline
package struct DescriptorTable<Value> {
  @usableFromInline var slots: ContiguousArray<Value?> = []
  /// How many values there are.
  @usableFromInline package var count = 0

  @inlinable
  package init() {}

  /// The value of a descriptor. To set one, the descriptor must be open, or have been open: the array grows to the
  /// highest number in it.
  @inlinable
  package subscript(fd: Int32) -> Value? {
    get { hasSlot(fd) ? slots[Int(fd)] : nil }
    set {
      if !hasSlot(fd) {
        guard fd >= 0, newValue != nil else { return }
        slots.grow(toHold: Int(fd), filledWith: nil)
      }
      if slots[Int(fd)] != nil { count -= 1 }
      if newValue != nil { count += 1 }
      slots[Int(fd)] = newValue
    }
  }

  /// All values, in the order of their descriptors.
  @inlinable
  package var values: some Sequence<Value> { values(from: 0) }

  /// The values of a descriptor, and of all higher ones, in order.
  @inlinable
  package func values(from fd: Int32) -> some Sequence<Value> { slots.dropFirst(Int(fd)).lazy.compactMap(\.self) }

  @inlinable
  func hasSlot(_ fd: Int32) -> Bool {
    fd >= 0 && Int(fd) < slots.count
  }
}
