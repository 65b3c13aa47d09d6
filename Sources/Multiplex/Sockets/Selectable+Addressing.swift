internal import CMultiplex
internal import SystemPackage

extension Selectable where Self: ~Copyable {
  /// Makes a system call with an address, which its error then names.
  func call(
    _ name: String, on address: SocketAddress,
    _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) throws(Errno) -> Void
  ) throws(MultiplexError) {
    try address.check(for: name)
    try calling(
      name, on: fileDescriptor, for: address.description,
      unsafe address.withSockaddr { (raw, length) throws(Errno) in try unsafe body(rawDescriptor, raw, length) })
  }
}
