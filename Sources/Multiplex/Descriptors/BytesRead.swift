/// Reads into an array of its own, at most so many bytes, and 16 MiB at a time.
///
/// - Parameter read: Returns how many bytes it has read; nil if there is nothing now.
/// - Returns: The bytes; nil if there is nothing now.
func bytes(
  upTo count: Int, for call: String, _ read: (inout MutableRawSpan) throws(MultiplexError) -> Int?
) throws(MultiplexError) -> [UInt8]? {
  try checkRoom(count, for: call)
  // More than a socket or a pipe holds: a larger number is to cost no more memory.
  let count = min(count, 16 << 20)
  var bytes = [UInt8](repeating: 0, count: count)
  var span = bytes.mutableSpan
  // Any bytes are valid bytes.
  var buffer = unsafe span.mutableBytes
  guard let received = try read(&buffer) else { return nil }
  bytes.removeLast(count - received)
  return bytes
}

/// Refuses to read nothing, which would look like the end of input.
func checkRoom(_ count: Int, for call: String) throws(MultiplexError) {
  guard count > 0 else {
    throw .outOfRange("into \(count) bytes", for: call, advice: "have room for one byte at least")
  }
}
