/// A pipe: what is written at one end is read at the other. Both ends are non-blocking and close-on-exec.
///
/// Corresponding C function: `pipe2`.
@frozen
public struct PipeDescriptors: ~Copyable, Sendable {
  /// The end to read from.
  public let reader: OwnedDescriptor
  /// The end to write to.
  public let writer: OwnedDescriptor

  /// Opens a pipe.
  public init() throws(MultiplexError) {
    do {
      let ends = try Kernel.pipe()
      reader = OwnedDescriptor(adopting: ends.reader)
      writer = OwnedDescriptor(adopting: ends.writer)
    } catch {
      throw MultiplexError(call: "pipe2", errno: error)
    }
  }
}
