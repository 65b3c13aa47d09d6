internal import SystemPackage

extension OwnedDescriptor {
  /// Reads what is there, at most as much as the buffer holds.
  ///
  /// Corresponding C function: `read`.
  ///
  /// - Parameter buffer: Room for one byte at least: to read none would look like the end of input.
  /// - Returns: The number of bytes read; 0 at the end of input; nil if a non-blocking descriptor has nothing now.
  public func read(into buffer: inout MutableRawSpan) throws(MultiplexError) -> Int? {
    try ReadBuffer.requireRoom(buffer.byteCount, for: "read")
    return try unsafe buffer.withUnsafeMutableBytes { buffer throws(MultiplexError) in
      try transfer("read", fileDescriptor) { () throws(Errno) in try unsafe Kernel.read(rawDescriptor, buffer) }
    }
  }

  /// Reads what is there, at most `count` bytes, and 16 MiB at a time.
  ///
  /// - Parameter count: At least 1.
  /// - Returns: The bytes; none at the end of input; nil if a non-blocking descriptor has nothing now.
  public func read(upTo count: Int) throws(MultiplexError) -> [UInt8]? {
    try ReadBuffer.bytes(upTo: count, for: "read") { (buffer) throws(MultiplexError) in try read(into: &buffer) }
  }

  /// Writes as much as there is room for.
  ///
  /// A pipe without a reader raises SIGPIPE as well, which ends the process unless it is ignored: `signal(SIGPIPE, SIG_IGN)`.
  ///
  /// Corresponding C function: `write`.
  ///
  /// - Returns: The number of bytes taken; nil if a non-blocking descriptor has no room now.
  public func write(_ bytes: RawSpan) throws(MultiplexError) -> Int? {
    try unsafe bytes.withUnsafeBytes { bytes throws(MultiplexError) in
      try transfer("write", fileDescriptor) { () throws(Errno) in try unsafe Kernel.write(rawDescriptor, bytes) }
    }
  }

  /// Writes as much as there is room for: see ``write(_:)-(RawSpan)``.
  ///
  /// - Returns: The number of bytes taken; nil if a non-blocking descriptor has no room now.
  @inlinable
  public func write(_ bytes: some RandomAccessCollection<UInt8>) throws(MultiplexError) -> Int? {
    try bytes.withContiguousBytes { (bytes) throws(MultiplexError) in try write(bytes) }
  }

  /// Takes what a signalfd or a timerfd has to tell next, of a type that the kernel fills as a whole.
  ///
  /// - Parameter empty: What it fills.
  /// - Returns: nil if there is nothing now.
  func takeRecord<Record: BitwiseCopyable>(_ empty: Record) throws(MultiplexError) -> Record? {
    var record = empty
    let count = try unsafe withUnsafeMutableBytes(of: &record) { bytes throws(MultiplexError) in
      try transfer("read", fileDescriptor) { () throws(Errno) in try unsafe Kernel.readRecord(rawDescriptor, bytes) }
    }
    return count == nil ? nil : record
  }
}
