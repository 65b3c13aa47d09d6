public import Multiplex

extension OwnedDescriptor {
  /// Writes text that there is room for.
  public func put(_ text: String) throws {
    let bytes = [UInt8](text.utf8)
    // Any bytes are valid bytes.
    guard try write(unsafe bytes.span.bytes) == bytes.count else { throw Incomplete() }
  }

  /// Reads once; returns nil if there is nothing now, and an empty string at the end of input.
  public func take(upTo count: Int = 1024) throws -> String? {
    var bytes = [UInt8](repeating: 0, count: count)
    var buffer = bytes.mutableSpan
    guard let received = try read(into: &buffer) else { return nil }
    return String(decoding: bytes.prefix(received), as: UTF8.self)
  }

  /// Whether nobody has the other end any more. A process that is being spawned has it too, until it runs another
  /// program.
  public func ends() throws -> Bool {
    try eventually { try take() == "" }
  }

  /// There was no room for all of the text.
  public struct Incomplete: Error {}
}
