import Testing

/// The tutorial's three servers, by the names of their programs.
enum EchoProgram: String, CaseIterable, CustomTestStringConvertible {
  case select = "echo-select"
  case queued = "echo-queued"
  case complete = "echo-complete"

  /// The servers with a queue per connection.
  static let withQueues = [queued, complete]

  var testDescription: String { rawValue }
}
