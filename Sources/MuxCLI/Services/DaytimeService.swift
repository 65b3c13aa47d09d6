import Foundation

/// RFC 867: sends the date and time of day as a line of text, and closes.
struct DaytimeService: Service {
  let returnsInput = false
  let end = ServiceEnd.output
  private var isSaid = false

  mutating func output() -> [UInt8]? {
    guard !isSaid else { return nil }
    isSaid = true
    return Array("\(Self.text(of: Date()))\r\n".utf8)
  }

  /// The syntax that the RFC proposes: "Tuesday, February 22, 1982 17:37:43-PST".
  private static func text(of date: Date) -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "EEEE, MMMM d, yyyy HH:mm:ss'-'zzz"
    return formatter.string(from: date)
  }
}
