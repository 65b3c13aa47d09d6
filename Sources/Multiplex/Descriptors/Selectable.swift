public import SystemPackage

/// Something with a file descriptor that can be waited for: the counterpart of Python's `fileno()`.
///
/// Descriptors of a C library join by `FileDescriptor(rawValue:)`.
public protocol Selectable: ~Copyable {
  /// The descriptor. It is lent: whoever conforms keeps it, and closes it.
  var fileDescriptor: FileDescriptor { get }
}

extension FileDescriptor: Selectable {
  /// The descriptor itself.
  public var fileDescriptor: FileDescriptor { self }
}

extension Selectable where Self: ~Copyable {
  /// The number that system calls take.
  package var rawDescriptor: Int32 { fileDescriptor.rawValue }
}
