/// The lines that a peer sends, as text: see ``Connection/lines(limit:)``.
public struct LineSequence: AsyncSequence, Sendable {
  /// A line without its end.
  public typealias Element = String
  /// The error that a read throws.
  public typealias Failure = ConnectionError

  fileprivate let connection: Connection
  fileprivate let limit: Int

  /// Reads lines from the current position. Nothing is read before it is requested, and only the connection keeps bytes
  /// between two lines.
  public func makeAsyncIterator() -> Iterator { Iterator(lines: self) }

  /// Reads one line after the other.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let lines: LineSequence

    /// The next line; nil when the peer has finished sending.
    public mutating func next() async throws(ConnectionError) -> String? { try await lines.next() }

    /// The next line; nil when the peer has finished sending.
    public mutating func next(isolation actor: isolated (any Actor)?) async throws(ConnectionError) -> String? {
      try await lines.next()
    }
  }

  private func next() async throws(ConnectionError) -> String? {
    guard let line = try await connection.readLine(limit: limit) else { return nil }
    return String(decoding: Self.withoutEnd(line), as: UTF8.self)
  }

  private static func withoutEnd(_ line: [UInt8]) -> ArraySlice<UInt8> {
    guard line.last == UInt8(ascii: "\n") else { return line[...] }
    let line = line.dropLast()
    return line.last == UInt8(ascii: "\r") ? line.dropLast() : line
  }
}

extension Connection {
  /// The received lines, as text, without their ends ("
  /// " or "\r
  /// "). The end of input ends the last line.
  ///
  ///     for try await line in connection.lines(limit: 4096) { ... }
  ///
  /// Invalid UTF-8 is replaced by U+FFFD; ``readLine(limit:)`` returns the original bytes, and shows whether the last
  /// line was cut off: it has no line feed then. Leaving the loop leaves the connection open, at the beginning of the
  /// next line.
  ///
  /// - Parameter limit: The longest line, in bytes including its end. A longer one throws
  ///   ``ConnectionError/Reason/limitExceeded``.
  public func lines(limit: Int = 64 * 1024) -> LineSequence {
    LineSequence(connection: self, limit: limit)
  }
}
