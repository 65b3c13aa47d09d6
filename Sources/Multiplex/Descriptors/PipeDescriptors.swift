/// A pipe: bytes written to one end are read from the other. Both ends are non-blocking and close-on-exec.
///
/// Corresponding C function: `pipe2`.
@frozen
public struct PipeDescriptors: ~Copyable, Sendable {
  /// The reading end.
  public let reader: OwnedDescriptor
  /// The writing end.
  public let writer: OwnedDescriptor

  /// Opens a pipe.
  ///
  /// - Throws: ``MultiplexError/Reason/openFileLimit``.
  public init() throws(MultiplexError) {
    let ends = try calling("pipe2", Kernel.pipe())
    reader = OwnedDescriptor(adopting: ends.reader)
    writer = OwnedDescriptor(adopting: ends.writer)
  }
}
