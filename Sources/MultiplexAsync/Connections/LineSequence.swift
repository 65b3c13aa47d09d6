/// The lines that a peer sends, as text: see ``Connection/lines(limit:)``.
public struct LineSequence: AsyncSequence, Sendable {
  /// A line without its end.
  public typealias Element = String
  /// The error that a read throws.
  public typealias Failure = ConnectionError

  let connection: Connection
  let limit: Int

  /// Reads lines from the current position. Nothing is read before it is requested, and only the connection keeps bytes
  /// between two lines.
  public func makeAsyncIterator() -> Iterator { Iterator(lines: self) }

  /// Reads one line after the other.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let lines: LineSequence

    /// Returns the next line; nil when the peer has finished sending.
    public mutating func next() async throws(ConnectionError) -> String? { try await lines.next() }

    /// Returns the next line; nil when the peer has finished sending.
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
