internal import SystemPackage

/// Moves bytes once: an interruption is repeated, "not now" is nil, anything else is an error.
@inline(__always)
func transfer(
  _ call: String, _ descriptor: FileDescriptor, _ body: () throws(Errno) -> Int
) throws(MultiplexError) -> Int? {
  while true {
    do {
      return try body()
    } catch .interrupted {
      continue
    } catch .wouldBlock, .resourceTemporarilyUnavailable {
      return nil
    } catch {
      throw MultiplexError(call: call, descriptor: descriptor, errno: error)
    }
  }
}
