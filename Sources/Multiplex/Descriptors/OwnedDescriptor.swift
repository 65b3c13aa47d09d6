public import SystemPackage

/// A file descriptor with one owner, closed exactly once: by ``close()``, or when the value ends.
///
/// It can't be copied, so it can't be closed twice, and a number that the kernel has reused since is never closed by
/// mistake. Hand it over to a ``Poller`` (`register(owning:)`), and it can't be closed while it is registered either.
///
/// The number is the only member, and the type isn't generic: the optimizer has dropped deinitializers of more
/// complicated noncopyable types.
public struct OwnedDescriptor: ~Copyable, Sendable, Selectable {
  private let rawValue: Int32

  /// Takes ownership of a descriptor, which must not be closed elsewhere from now on.
  public init(adopting descriptor: FileDescriptor) {
    self.rawValue = descriptor.rawValue
  }

  package init(adopting rawValue: Int32) {
    self.rawValue = rawValue
  }

  deinit {
    // There is nobody left to report an error to.
    try? Kernel.close(rawValue)
  }

  /// The descriptor, borrowed: valid as long as this value, and not to be closed.
  public var fileDescriptor: FileDescriptor { FileDescriptor(rawValue: rawValue) }

  /// Closes the descriptor and reports the kernel's error, if any. The descriptor is released in either case.
  ///
  /// Corresponding C function: `close`.
  ///
  /// - Throws: The kernel's error: EIO, for example, if data couldn't be written.
  public consuming func close() throws(MultiplexError) {
    let rawValue = self.rawValue
    discard self
    try calling("close", on: FileDescriptor(rawValue: rawValue), Kernel.close(rawValue))
  }

  /// Gives up ownership of the descriptor, which stays open: the caller closes it.
  public consuming func release() -> FileDescriptor {
    let descriptor = fileDescriptor
    discard self
    return descriptor
  }

  /// Makes another descriptor for the same open file, close-on-exec.
  ///
  /// Corresponding C function: `fcntl` with `F_DUPFD_CLOEXEC`.
  ///
  /// - Throws: ``MultiplexError/Reason/openFileLimit``.
  public func duplicate() throws(MultiplexError) -> OwnedDescriptor {
    try OwnedDescriptor(duplicating: fileDescriptor)
  }

  /// Makes another descriptor, close-on-exec, for the open file of a borrowed one.
  ///
  /// Corresponding C function: `fcntl` with `F_DUPFD_CLOEXEC`.
  ///
  /// - Throws: ``MultiplexError/Reason/notOpen``; ``MultiplexError/Reason/openFileLimit``.
  public init(duplicating descriptor: FileDescriptor) throws(MultiplexError) {
    self.init(
      adopting: try calling("fcntl", on: descriptor, Kernel.fcntl(descriptor.rawValue, Kernel.duplicateCloseOnExec)))
  }
}
