/// The lines that a peer sends, as text: see ``Connection/lines(limit:)``.
public struct LineSequence: AsyncSequence, Sendable {
  /// A line without its end.
  public typealias Element = String
  /// What a read throws.
  public typealias Failure = ConnectionError

  fileprivate let connection: Connection
  fileprivate let limit: Int

  /// Reads the lines from here on. Nothing is read before it is asked for, nor kept between two lines but by the connection.
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
  /// The lines that come, as text, without their ends ("\n" or "\r\n"). The last one ends with the input.
  ///
  ///     for try await line in connection.lines(limit: 4096) { ... }
  ///
  /// What is no UTF-8 is replaced by U+FFFD; ``readLine(limit:)`` has the bytes as they came, and tells whether the last line
  /// was cut off, as it has no end then. Leaving the loop leaves the
  /// connection as it is, at the beginning of the next line.
  ///
  /// - Parameter limit: The longest line, in bytes with its end. A longer one throws
  ///   ``ConnectionError/Reason/limitExceeded``.
  public func lines(limit: Int = 64 * 1024) -> LineSequence {
    LineSequence(connection: self, limit: limit)
  }
}
