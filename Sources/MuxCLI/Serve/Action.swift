/// What was done about one descriptor in a turn, as the trace tells it.
enum Action: CustomStringConvertible {
  case accepted(String)
  case refused(String)
  /// Bytes that have come and gone, and how many wait to be sent since.
  case moved(received: Int, sent: Int, owed: Int)
  case endOfInput
  case closed(String)

  var description: String {
    switch self {
    case .accepted(let peer): "accepted \(peer)"
    case .refused(let reason): "not accepted: \(reason)"
    case .moved(let received, let sent, let owed):
      (received > 0 ? "received \(received), sent \(sent)" : "sent \(sent)") + (owed > 0 ? ", queued \(owed)" : "")
    case .endOfInput: "end of input"
    case .closed(let reason): "closed: \(reason)"
    }
  }
}
