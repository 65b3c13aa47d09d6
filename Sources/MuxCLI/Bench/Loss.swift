import SystemPackage

/// Why a connection was lost during a run.
enum Loss: Hashable {
  case closed
  case noResponse
  /// Only the beginning of a response has come.
  case incomplete(bytes: Int, size: Int)
  case broken(Errno)

  /// Describes the reason.
  ///
  /// - Parameter timeout: The time limit for a response, in nanoseconds.
  func description(timeout: Int) -> String {
    switch self {
    case .closed: "closed by the server"
    case .noResponse: "no response within \(Quantity.roundTime(Double(timeout)))"
    case .incomplete(let bytes, let size):
      """
      only \(Quantity.count(bytes)) of the \(Quantity.counted(size, "byte")) of a response \
      within \(Quantity.roundTime(Double(timeout)))
      """
    case .broken(let errno): "\(errno)"
    }
  }
}
