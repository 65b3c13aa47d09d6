internal import CMultiplex
internal import SystemPackage

/// The catchers of this process and their signals: there is one value of this type, behind a lock.
///
/// The C signal handler can't take that lock; it reads its own slots, which are filled in here.
struct SignalTable {
  /// A signal that is caught: by how many catchers, and its previous disposition.
  private struct Caught {
    var count: Int
    let previous: sigaction
  }

  private var isTaken = [Bool](repeating: false, count: Int(cmx_SIGNAL_SLOTS))
  /// The slots' eventfds, made when they are first needed, and kept for later catchers.
  private var eventfds = [Int32?](repeating: nil, count: Int(cmx_SIGNAL_SLOTS))
  private var caught: [Int32: Caught] = [:]

  /// Takes a slot and fills it in, before the first signal is caught.
  mutating func open(_ signals: SignalSet) throws(MultiplexError) -> (slot: Int32, eventfd: Int32) {
    guard let index = isTaken.firstIndex(of: false) else {
      throw MultiplexError(
        call: "sigaction", reason: .system, errno: .tryAgain,
        advice: "at most \(cmx_SIGNAL_SLOTS) signal sequences can exist at a time; release one")
    }
    let slot = Int32(index)
    let eventfd = try eventfd(at: index)
    Kernel.resetEvent(eventfd)
    cmx_signal_open(slot, eventfd, signals.mask)
    isTaken[index] = true
    var done = SignalSet()
    for signal in signals.numbers {
      do {
        try catchOne(signal)
        done.insert(signal)
      } catch {
        close(slot, done)
        throw MultiplexError(call: "sigaction", subject: "signal \(signal)", errno: error)
      }
    }
    return (slot, eventfd)
  }

  /// Releases a slot and its signals.
  mutating func close(_ slot: Int32, _ signals: SignalSet) {
    for signal in signals.numbers { release(signal) }
    cmx_signal_close(slot)
    isTaken[Int(slot)] = false
  }

  private mutating func eventfd(at index: Int) throws(MultiplexError) -> Int32 {
    if let eventfd = eventfds[index] { return eventfd }
    let eventfd = try calling("eventfd", Kernel.eventfd())
    eventfds[index] = eventfd
    return eventfd
  }

  private mutating func catchOne(_ signal: Int32) throws(Errno) {
    if caught[signal] == nil {
      caught[signal] = Caught(count: 1, previous: try Kernel.catchSignal(signal))
    } else {
      caught[signal]?.count += 1
    }
  }

  private mutating func release(_ signal: Int32) {
    guard let entry = caught[signal] else { return }
    if entry.count > 1 {
      caught[signal]?.count -= 1
    } else {
      caught[signal] = nil
      Kernel.restoreSignal(signal, entry.previous)
    }
  }
}
