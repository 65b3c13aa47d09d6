public import SystemPackage

/// Something with a file descriptor that can be waited for: the counterpart of Python's `fileno()`.
///
/// For descriptors of a C library, use `FileDescriptor(rawValue:)`.
public protocol Selectable: ~Copyable {
  /// The descriptor. It is borrowed: the conforming type owns it, and closes it. -1 once it is closed.
  var fileDescriptor: FileDescriptor { get }
}

extension FileDescriptor: Selectable {
  /// The descriptor itself.
  public var fileDescriptor: FileDescriptor { self }
}

/// The descriptor of something that was closed.
package let noDescriptor: Int32 = -1

extension Selectable where Self: ~Copyable {
  /// The number that system calls take.
  package var rawDescriptor: Int32 { fileDescriptor.rawValue }

  /// - Throws: ``MultiplexError/Reason/closed`` for -1; ``MultiplexError/Reason/notOpen`` for other negative numbers.
  package func requireNumber(for call: String) throws(MultiplexError) {
    guard rawDescriptor < 0 else { return }
    guard rawDescriptor == noDescriptor else {
      throw MultiplexError(call: call, descriptor: fileDescriptor, errno: .badFileDescriptor)
    }
    throw .missingDescriptor(for: call)
  }
}
