internal import CMultiplex
internal import SystemPackage

extension Selectable where Self: ~Copyable {
  /// Has reads and writes return at once where they would block (`O_NONBLOCK`), or no more. What this package opens is
  /// non-blocking; descriptors from elsewhere, to adopt or to wait for, usually aren't.
  ///
  /// It holds for the open file, and so for its duplicates, also those of other processes: a terminal's, for example.
  ///
  /// Corresponding C function: `fcntl` with `F_SETFL`.
  public func setNonBlocking(_ isNonBlocking: Bool = true) throws(MultiplexError) {
    do {
      let flags = try Kernel.fcntl(rawDescriptor, F_GETFL)
      let wanted = isNonBlocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
      if wanted != flags { _ = try Kernel.fcntl(rawDescriptor, F_SETFL, wanted) }
    } catch {
      throw MultiplexError(call: "fcntl", descriptor: fileDescriptor, errno: error)
    }
  }
}
