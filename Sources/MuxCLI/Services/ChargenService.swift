/// RFC 864: sends lines of 72 printable characters, each begun one character later in the alphabet, without end.
struct ChargenService: Service {
  let returnsInput = false
  let end = ServiceEnd.never

  mutating func output() -> [UInt8]? { Self.cycle }

  /// The lines until they begin anew, shared by all connections.
  private static let cycle: [UInt8] = {
    let alphabet = Array(UInt8(ascii: " ")...UInt8(ascii: "~"))
    return alphabet.indices.flatMap { start in
      (start..<start + 72).map { alphabet[$0 % alphabet.count] } + Array("\r\n".utf8)
    }
  }()
}
