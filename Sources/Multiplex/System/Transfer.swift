public import SystemPackage

/// Moves bytes once, retrying after an interruption. Returns nil for "not now"; throws any other error.
@inlinable
@inline(__always)
package func transfer<Result>(_ body: () throws(Errno) -> Result) throws(Errno) -> Result? {
  while true {
    do {
      return try body()
    } catch .interrupted {
      continue
    } catch .tryAgain {
      return nil
    }
  }
}

/// Does the same, with an error that names the call.
@inline(__always)
func transfer<Result>(
  _ call: String, _ descriptor: FileDescriptor, _ body: () throws(Errno) -> Result
) throws(MultiplexError) -> Result? {
  try calling(call, on: descriptor, transfer(body))
}
