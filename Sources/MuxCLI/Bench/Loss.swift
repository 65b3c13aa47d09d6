import SystemPackage

/// Why a connection was lost during a run.
enum Loss: Hashable {
  case closed
  case noAnswer
  case broken(Errno)

  /// - Parameter timeout: How long an answer was waited for, in nanoseconds.
  func description(timeout: Int) -> String {
    switch self {
    case .closed: "closed by the server"
    case .noAnswer: "no answer within \(Quantity.roundTime(Double(timeout)))"
    case .broken(let errno): "\(errno)"
    }
  }
}
