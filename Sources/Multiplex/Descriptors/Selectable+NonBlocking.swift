internal import CMultiplex
internal import SystemPackage

extension Selectable where Self: ~Copyable {
  /// Makes reads and writes return immediately instead of blocking (`O_NONBLOCK`), or turns that off.
  ///
  /// Descriptors opened by this package are already non-blocking; those from elsewhere usually aren't. The setting
  /// belongs to the open file, and so applies to its duplicates too, even in other processes: a terminal's, for
  /// example.
  ///
  /// Corresponding C function: `fcntl` with `F_SETFL`.
  ///
  /// - Parameter isNonBlocking: Whether to return immediately, or to block.
  /// - Throws: ``MultiplexError/Reason/notOpen``.
  public func setNonBlocking(_ isNonBlocking: Bool = true) throws(MultiplexError) {
    let flags = try calling("fcntl", on: fileDescriptor, Kernel.fcntl(rawDescriptor, F_GETFL))
    let wanted = isNonBlocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
    guard wanted != flags else { return }
    _ = try calling("fcntl", on: fileDescriptor, Kernel.fcntl(rawDescriptor, F_SETFL, wanted))
  }
}
