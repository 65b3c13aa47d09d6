internal import SystemPackage

/// The three sets of one select.
struct DescriptorBitmaps {
  var reading = DescriptorBitmap()
  var writing = DescriptorBitmap()
  var exceptional = DescriptorBitmap()

  /// One more than the highest descriptor in any of the sets.
  var upperBound: Int32 { max(reading.upperBound, writing.upperBound, exceptional.upperBound) }

  /// One call of select: leaves what is ready in the sets, and nothing where the time is up.
  ///
  /// - Returns: How many bits are set.
  mutating func wait(timeout: Duration?) throws(Errno) -> Int {
    let count = upperBound
    // The kernel checks no descriptor beyond its table and leaves such bits as they were. If the highest is open,
    // they all lie within the table.
    guard count == 0 || Kernel.isOpen(count - 1) else { throw Errno.badFileDescriptor }
    reading.reserve(count)
    writing.reserve(count)
    exceptional.reserve(count)
    let ready = try select(count, timeout)
    // The bits are to be trusted only where the kernel says that there are any.
    if ready == 0 { self = DescriptorBitmaps() }
    return Int(ready)
  }

  private mutating func select(_ count: Int32, _ timeout: Duration?) throws(Errno) -> Int32 {
    let timeout = timeout.map(Timeout.timespec)
    var outcome = Result<Int32, Errno>.success(0)
    // Each bitmap has room for `count` bits, and is lent for this one call.
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
