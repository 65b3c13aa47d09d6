/// What was done with one descriptor in a turn, as printed by the trace.
enum Action: CustomStringConvertible {
  case accepted(String)
  case refused(String)
  /// The number of bytes received and sent, and of those queued since.
  case moved(received: Int, sent: Int, queued: Int)
  case endOfInput
  case closed(String)

  var description: String {
    switch self {
    case .accepted(let peer): "accepted \(peer)"
    case .refused(let reason): "not accepted: \(reason)"
    case .moved(let received, let sent, let queued):
      (received > 0 ? "received \(received), sent \(sent)" : "sent \(sent)") + (queued > 0 ? ", queued \(queued)" : "")
    case .endOfInput: "end of input"
    case .closed(let reason): "closed: \(reason)"
    }
  }
}
