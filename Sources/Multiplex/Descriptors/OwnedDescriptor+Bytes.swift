internal import SystemPackage

extension OwnedDescriptor {
  /// Reads the available bytes, at most as many as the buffer holds.
  ///
  /// Corresponding C function: `read`.
  ///
  /// - Parameter buffer: Room for at least one byte: reading none would look like the end of input.
  /// - Returns: The number of bytes read; 0 at the end of input; nil if a non-blocking descriptor has nothing now.
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` for an empty buffer; ``MultiplexError/Reason/notOpen`` for a
  ///   descriptor that isn't open for reading, such as a pipe's writing end.
  public func read(into buffer: inout MutableRawSpan) throws(MultiplexError) -> Int? {
    try ReadBuffer.requireRoom(buffer.byteCount, for: "read")
    return try unsafe buffer.withUnsafeMutableBytes { buffer throws(MultiplexError) in
      try transfer("read", fileDescriptor) { () throws(Errno) in try unsafe Kernel.read(rawDescriptor, buffer) }
    }
  }

  /// Reads the available bytes: see ``read(into:)-(MutableRawSpan)``.
  public func read(into buffer: inout MutableSpan<UInt8>) throws(MultiplexError) -> Int? {
    // Any bytes are valid bytes.
    var buffer = unsafe buffer.mutableBytes
    return try read(into: &buffer)
  }

  /// Reads the available bytes, at most `count` of them, and 16 MiB at a time.
  ///
  /// - Parameter count: At least 1.
  /// - Returns: The bytes; none at the end of input; nil if a non-blocking descriptor has nothing now.
  /// - Throws: As ``read(into:)-(MutableRawSpan)`` does.
  public func read(upTo count: Int) throws(MultiplexError) -> [UInt8]? {
    try ReadBuffer.bytes(upTo: count, for: "read") { (buffer) throws(MultiplexError) in try read(into: &buffer) }
  }

  /// Writes as many bytes as there is room for.
  ///
  /// Corresponding C function: `write`.
  ///
  /// - Returns: The number of bytes written; nil if a non-blocking descriptor has no room now.
  /// - Throws: ``MultiplexError/Reason/notOpen`` for a descriptor that isn't open for writing, such as a pipe's reading
  ///   end; EPIPE for a pipe without a reader, which also raises SIGPIPE. That signal ends the process unless it is
  ///   ignored: `signal(SIGPIPE, SIG_IGN)`.
  public func write(_ bytes: RawSpan) throws(MultiplexError) -> Int? {
    try unsafe bytes.withUnsafeBytes { bytes throws(MultiplexError) in
      try transfer("write", fileDescriptor) { () throws(Errno) in try unsafe Kernel.write(rawDescriptor, bytes) }
    }
  }

  /// Writes as many bytes as there is room for: see ``write(_:)-(RawSpan)``.
  public func write(_ bytes: Span<UInt8>) throws(MultiplexError) -> Int? {
    // Any byte is initialized.
    try write(unsafe bytes.bytes)
  }

  /// Writes as many bytes as there is room for: see ``write(_:)-(RawSpan)``.
  ///
  /// - Returns: The number of bytes written; nil if a non-blocking descriptor has no room now.
  /// - Throws: As ``write(_:)-(RawSpan)`` does.
  @inlinable
  public func write(_ bytes: some Collection<UInt8>) throws(MultiplexError) -> Int? {
    try bytes.withContiguousBytes { (bytes) throws(MultiplexError) in try write(bytes) }
  }

  /// Reads the next record of a signalfd or a timerfd, of a type that the kernel fills as a whole.
  ///
  /// - Parameter empty: A record to fill.
  /// - Returns: The record; nil if there is none now.
  func takeRecord<Record: BitwiseCopyable>(_ empty: Record) throws(MultiplexError) -> Record? {
    var record = empty
    let count = try unsafe withUnsafeMutableBytes(of: &record) { bytes throws(MultiplexError) in
      try transfer("read", fileDescriptor) { () throws(Errno) in try unsafe Kernel.readRecord(rawDescriptor, bytes) }
    }
    return count == nil ? nil : record
  }
}
