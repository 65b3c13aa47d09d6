import Foundation
import MultiplexAsync

/// RFC 867: sends the date and time of day as a line of text, and closes.
enum DaytimeService: TaskService {
  /// The time limit for the peer to close its side after the server has closed its own.
  private static let lingerLimit = Duration.seconds(2)

  /// The error if the peer hasn't closed its side in time.
  private struct PeerLingers: Error, CustomStringConvertible {
    let description = "the client keeps its side open"
  }

  static func serve(_ connection: Connection, isStopping: @Sendable () -> Bool) async throws {
    try await connection.write("\(text(of: Date()))\r\n")
    try await connection.closeWrite()
    // Closing while bytes from the peer are unread would reset the connection, and the reply might be lost.
    do {
      try await withTimeout(lingerLimit, on: connection.reactor) {
        try await connection.forEachChunk(DiscardService.handle)
      }
    } catch is DeadlineExceeded {
      throw PeerLingers()
    }
  }

  /// The syntax that the RFC proposes: "Tuesday, February 22, 1982 17:37:43-PST".
  private static func text(of date: Date) -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "EEEE, MMMM d, yyyy HH:mm:ss'-'zzz"
    return formatter.string(from: date)
  }
}
