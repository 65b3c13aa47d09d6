import Multiplex
import MultiplexAsync

/// What was done with one descriptor in a turn.
enum Action: CustomStringConvertible {
  case accepted(SocketAddress?)
  case refused(MultiplexError)
  /// The number of bytes received and sent, and of those queued since.
  case moved(received: Int, sent: Int, queued: Int)
  case endOfInput
  case closed(CloseReason)

  var description: String {
    switch self {
    case .accepted(let peer): "accepted \(peer.clientName)"
    case .refused(let error): "not accepted: \(error)"
    case .moved(let received, let sent, let queued):
      (received > 0 ? "received \(received), sent \(sent)" : "sent \(sent)") + (queued > 0 ? ", queued \(queued)" : "")
    case .endOfInput: "end of input"
    case .closed(let reason): "closed: \(reason)"
    }
  }
}
