/// A set of descriptors in select's format: one bit each, in words of the kernel's `long`, not limited to 1024.
package struct DescriptorBitmap {
  private(set) var words: ContiguousArray<UInt> = []

  package init() {}

  package subscript(fd: Int32) -> Bool {
    get {
      let index = Int(fd) / UInt.bitWidth
      return hasRoom(for: fd) && words[index] & Self.bit(fd) != 0
    }
    set {
      let index = Int(fd) / UInt.bitWidth
      if index >= words.count {
        guard newValue else { return }
        words.append(contentsOf: repeatElement(0, count: index + 1 - words.count))
      }
      if newValue { words[index] |= Self.bit(fd) } else { words[index] &= ~Self.bit(fd) }
    }
  }

  /// Whether the descriptor's bit can be set without more memory.
  func hasRoom(for fd: Int32) -> Bool {
    fd >= 0 && Int(fd) / UInt.bitWidth < words.count
  }

  /// Makes room for this many descriptors: select reads and writes that many bits. An unused set stays empty.
  mutating func reserve(_ count: Int32) {
    guard !words.isEmpty else { return }
    let needed = (Int(count) + UInt.bitWidth - 1) / UInt.bitWidth
    guard words.count < needed else { return }
    words.append(contentsOf: repeatElement(0, count: needed - words.count))
  }

  /// Copies the bits of another set into the existing memory. An assignment would share the other's memory until the
  /// next change, which would copy it.
  mutating func copy(_ other: DescriptorBitmap) {
    if words.count < other.words.count { words = other.words }
    for index in words.indices { words[index] = other.word(index) }
  }

  /// Empties the set, keeping the memory.
  mutating func removeAll() {
    for index in words.indices { words[index] = 0 }
  }

  /// The word at an index; 0 beyond the memory.
  func word(_ index: Int) -> UInt {
    index < words.count ? words[index] : 0
  }

  /// One more than the highest descriptor in the set: what select calls `nfds`.
  var upperBound: Int32 {
    guard let last = words.lastIndex(where: { $0 != 0 }) else { return 0 }
    return Int32((last + 1) * UInt.bitWidth - words[last].leadingZeroBitCount)
  }

  /// Passes the words to a system call; nil for an unused set, which then costs the kernel nothing.
  mutating func withWords(_ body: (UnsafeMutablePointer<UInt>?) -> Void) {
    guard !words.isEmpty else { return body(nil) }
    unsafe words.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress) }
  }

  private static func bit(_ fd: Int32) -> UInt { 1 << (UInt(fd) % UInt(UInt.bitWidth)) }
}
