/// What a server did about one descriptor, as the trace tells it.
enum Action: CustomStringConvertible {
  case accepted(String)
  case received(Int, sent: Int)
  case sent(Int)
  case endOfInput
  case closed(String)

  var description: String {
    switch self {
    case .accepted(let peer): "accepted \(peer)"
    case .received(let count, let sent): "received \(count), sent \(sent)"
    case .sent(let count): "sent \(count) that were owed"
    case .endOfInput: "end of input"
    case .closed(let reason): "closed: \(reason)"
    }
  }
}
