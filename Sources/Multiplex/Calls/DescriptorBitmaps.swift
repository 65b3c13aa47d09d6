internal import SystemPackage

/// The three sets of a select.
struct DescriptorBitmaps {
  var reading = DescriptorBitmap()
  var writing = DescriptorBitmap()
  var exceptional = DescriptorBitmap()

  /// One more than the highest descriptor in any of the sets.
  var upperBound: Int32 { max(reading.upperBound, writing.upperBound, exceptional.upperBound) }

  /// Whether the highest descriptor is open.
  ///
  /// The kernel doesn't check descriptors beyond its table, and leaves their bits unchanged. If the highest is open,
  /// all of them are within the table.
  var isHighestOpen: Bool { upperBound == 0 || Kernel.isOpen(upperBound - 1) }

  /// Calls select once. The sets then hold what is ready; nothing if the time is up.
  ///
  /// All descriptors must be within the kernel's table: see ``isHighestOpen``.
  ///
  /// - Returns: How many bits are set.
  mutating func wait(timeout: Duration?) throws(Errno) -> Int {
    let count = upperBound
    reading.reserve(count)
    writing.reserve(count)
    exceptional.reserve(count)
    let ready = try select(count, timeout)
    // The bits mean something only if the kernel says that there are any.
    if ready == 0 { removeAll() }
    return Int(ready)
  }

  /// Visits the descriptors that are in any of the sets, in ascending order.
  func forEach(_ body: (Int32) -> Void) {
    for index in 0..<max(reading.words.count, writing.words.count, exceptional.words.count) {
      var bits = reading.word(index) | writing.word(index) | exceptional.word(index)
      while bits != 0 {
        body(Int32(index * UInt.bitWidth + bits.trailingZeroBitCount))
        bits &= bits - 1
      }
    }
  }

  /// Copies the bits of other sets into the existing memory.
  mutating func copy(_ other: DescriptorBitmaps) {
    reading.copy(other.reading)
    writing.copy(other.writing)
    exceptional.copy(other.exceptional)
  }

  private mutating func removeAll() {
    reading.removeAll()
    writing.removeAll()
    exceptional.removeAll()
  }

  private mutating func select(_ count: Int32, _ timeout: Duration?) throws(Errno) -> Int32 {
    let timeout = timeout.map(Timeout.timespec)
    var outcome = Result<Int32, Errno>.success(0)
    // Each bitmap has room for `count` bits, and is borrowed for this one call.
    unsafe reading.withWords { reading in
      unsafe writing.withWords { writing in
        unsafe exceptional.withWords { exceptional in
          outcome = Result { () throws(Errno) in
            try unsafe Kernel.pselect(count, reading, writing, exceptional, timeout)
          }
        }
      }
    }
    return try outcome.get()
  }
}
