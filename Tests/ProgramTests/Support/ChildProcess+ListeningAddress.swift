import Multiplex
import TestSupport
import Testing

extension ChildProcess {
  /// Where a server listens, as its next line says: "listening on 127.0.0.1:9999".
  func listeningAddress() throws -> SocketAddress {
    let words = try nextLine().split(separator: " ")
    try #require(words.dropLast() == ["listening", "on"])
    let last = try #require(words.last)
    return try SocketAddress(String(last))
  }
}
