import Multiplex
import TestSupport
import Testing

extension ChildProcess {
  /// Waits for the next line of a server, and returns the address in it.
  func listeningAddress() throws -> SocketAddress {
    try Self.listeningAddress(in: nextLine())
  }

  /// Returns the address in the line that a server prints: "listening on 127.0.0.1:9999", and anything after it.
  static func listeningAddress(in line: String) throws -> SocketAddress {
    let words = line.split(separator: " ")
    try #require(words.count >= 3 && words[0...1] == ["listening", "on"], "\(line)")
    return try SocketAddress(String(words[2]))
  }
}
