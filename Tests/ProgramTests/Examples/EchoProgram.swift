import Testing

/// The three servers of the tutorial, by the names of their programs.
enum EchoProgram: String, CaseIterable, CustomTestStringConvertible {
  case select = "echo-select"
  case queued = "echo-queued"
  case complete = "echo-complete"

  /// Those with a queue for each connection.
  static let withQueues = [queued, complete]

  var testDescription: String { rawValue }
}
