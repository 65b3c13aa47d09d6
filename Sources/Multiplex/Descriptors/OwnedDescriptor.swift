public import SystemPackage

/// A file descriptor with one owner, closed exactly once: by ``close()``, or where the value ends.
///
/// It can't be copied, so it can't be closed twice, and a number that the kernel has given to someone else meanwhile
/// is never closed by mistake. Hand it over to a ``Poller`` (`register(owning:)`) and it can't be closed while it is
/// registered either.
///
/// The type has no members but the number, and is not generic: deinitializers of more complicated noncopyable types
/// have been lost by optimizers.
public struct OwnedDescriptor: ~Copyable, Sendable, Selectable {
  private let rawValue: Int32

  /// Takes a descriptor over: from now on it is closed here and must not be closed elsewhere.
  public init(adopting descriptor: FileDescriptor) {
    self.rawValue = descriptor.rawValue
  }

  package init(adopting rawValue: Int32) {
    self.rawValue = rawValue
  }

  deinit {
    // Nobody is left who could be told.
    try? Kernel.close(rawValue)
  }

  /// The descriptor, lent: valid as long as this value is, and not to be closed.
  public var fileDescriptor: FileDescriptor { FileDescriptor(rawValue: rawValue) }

  /// Closes the descriptor and tells what the kernel says to that. The descriptor is gone in either case.
  ///
  /// Corresponding C function: `close`.
  public consuming func close() throws(MultiplexError) {
    let rawValue = self.rawValue
    discard self
    do {
      try Kernel.close(rawValue)
    } catch {
      throw MultiplexError(call: "close", descriptor: FileDescriptor(rawValue: rawValue), errno: error)
    }
  }

  /// Gives the descriptor away, open: the caller closes it.
  public consuming func release() -> FileDescriptor {
    let descriptor = fileDescriptor
    discard self
    return descriptor
  }

  /// Another descriptor for the same open file, close-on-exec.
  ///
  /// Corresponding C function: `fcntl` with `F_DUPFD_CLOEXEC`.
  public func duplicate() throws(MultiplexError) -> OwnedDescriptor {
    try OwnedDescriptor(duplicating: fileDescriptor)
  }

  /// Owns a new descriptor, close-on-exec, for the open file that a lent one stands for.
  ///
  /// Corresponding C function: `fcntl` with `F_DUPFD_CLOEXEC`.
  public init(duplicating descriptor: FileDescriptor) throws(MultiplexError) {
    do {
      self.init(adopting: try Kernel.fcntl(descriptor.rawValue, Kernel.duplicateCloseOnExec))
    } catch {
      throw MultiplexError(call: "fcntl", descriptor: descriptor, errno: error)
    }
  }
}
