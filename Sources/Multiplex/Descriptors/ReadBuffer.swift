/// Helpers of the reads that return an array or fill the caller's memory.
enum ReadBuffer {
  /// The most bytes of one read into an array, more than a socket or a pipe holds. It bounds the memory of a read.
  private static let maximum = 16 << 20

  /// Reads into a new array, at most `count` bytes, and 16 MiB at a time.
  ///
  /// It reads into temporary memory first: the array is as large as what was read, and nothing is filled with zeros.
  ///
  /// - Parameter read: Returns the number of bytes read; nil if nothing is available now.
  /// - Returns: The bytes; nil if nothing is available now.
  static func bytes(
    upTo count: Int, for call: String, _ read: (inout MutableRawSpan) throws(MultiplexError) -> Int?
  ) throws(MultiplexError) -> [UInt8]? {
    try requireRoom(count, for: call)
    let result = unsafe withUnsafeTemporaryAllocation(byteCount: min(count, maximum), alignment: 1) { memory in
      // Any bytes are valid bytes. The kernel writes them, and only those that it has written are read.
      Result { () throws(MultiplexError) in
        var buffer = unsafe memory.mutableBytes
        return try read(&buffer).map { received in unsafe [UInt8](memory[..<received]) }
      }
    }
    return try result.get()
  }

  /// Refuses to read zero bytes, which would look like the end of input.
  static func requireRoom(_ count: Int, for call: String) throws(MultiplexError) {
    guard count > 0 else {
      throw .outOfRange("into \(count) bytes", for: call, advice: "pass room for at least one byte")
    }
  }
}
