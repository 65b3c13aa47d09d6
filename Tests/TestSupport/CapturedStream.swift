/// What a process has written to one of its streams so far.
struct CapturedStream: Sendable {
  private(set) var bytes: [UInt8] = []
  /// Whether the stream has ended.
  var isAtEnd = false
  /// How much of it the test has taken.
  private var taken = 0

  mutating func append(_ more: [UInt8]) {
    bytes += more
  }

  /// Takes everything that has been received.
  mutating func takeAll() -> String {
    defer { taken = bytes.count }
    return String(decoding: bytes[taken...], as: UTF8.self)
  }

  /// Takes everything up to and including a text, if it has been received.
  ///
  /// - Parameter searched: How far an earlier search for the same text has got, so that nothing is searched twice.
  mutating func take(through text: [UInt8], searched: inout Int) -> String? {
    var start = max(taken, searched - text.count + 1)
    while start + text.count <= bytes.count {
      if bytes[start] == text[0], bytes[start..<start + text.count].elementsEqual(text) {
        let end = start + text.count
        defer { taken = end }
        return String(decoding: bytes[taken..<end], as: UTF8.self)
      }
      start += 1
    }
    searched = bytes.count
    return nil
  }
}
