extension Connection {
  /// Returns the received lines as text, without their ends ("\n" or "\r\n"). The end of input ends the last line.
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
