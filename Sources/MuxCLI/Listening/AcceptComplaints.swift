import Multiplex
import MultiplexAsync

/// Says that nothing can be accepted, once in a while for as long as that lasts.
final class AcceptComplaints: ReactorObserver {
  let events: ReactorEvents = .listeners
  private let complaint = OccasionalComplaint()

  func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) {
    complaint.make { _ in "\(error); retrying until resources are free" }
  }
}
