package import SystemPackage

/// Makes a system call, and describes its failure.
///
///     try calling("listen", on: descriptor, Kernel.listen(descriptor.rawValue, backlog))
///
/// - Parameters:
///   - name: The C function's.
///   - descriptor: What the call is made on, if anything.
///   - subject: The address, path or argument concerned, if any.
///   - call: The call.
@inline(__always)
package func calling<Result: ~Copyable>(
  _ name: String, on descriptor: FileDescriptor? = nil, for subject: @autoclosure () -> String? = nil,
  _ call: @autoclosure () throws(Errno) -> Result
) throws(MultiplexError) -> Result {
  do {
    return try call()
  } catch {
    throw MultiplexError(call: name, descriptor: descriptor, subject: subject(), errno: error)
  }
}
