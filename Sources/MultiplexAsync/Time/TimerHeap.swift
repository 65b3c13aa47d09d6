/// The timers of an event loop, the next one first: a binary heap in which each timer knows its position, so that it
/// can be removed when it is cancelled.
struct TimerHeap {
  private var timers: [Timer] = []
  private var sequence: UInt64 = 0

  var isEmpty: Bool { timers.isEmpty }

  /// The time until the next timer is due; nil if there is none.
  var timeLeft: Duration? { timers.first.map { max(.zero, $0.deadline - .now) } }

  mutating func add(at deadline: ContinuousClock.Instant, _ action: @escaping () -> Void) -> Timer {
    sequence += 1
    let timer = Timer(deadline: deadline, sequence: sequence, action: action)
    timers.append(timer)
    rise(timer, from: timers.count - 1)
    return timer
  }

  /// Cancels a timer. Does nothing if it has fired or was cancelled before.
  mutating func cancel(_ timer: Timer) {
    guard let position = timer.position else { return }
    remove(at: position)
  }

  /// Removes and returns the next due timer. Timers set meanwhile have a higher sequence and don't fire, even if they
  /// are already due: otherwise a timer that sets itself again would keep everything else waiting.
  mutating func takeDue(at now: ContinuousClock.Instant, before limit: UInt64) -> Timer? {
    guard let timer = timers.first, timer.deadline <= now, timer.sequence <= limit else { return nil }
    remove(at: 0)
    return timer
  }

  /// The sequence of the timer that was set last.
  var lastSequence: UInt64 { sequence }

  private mutating func remove(at position: Int) {
    timers[position].position = nil
    let last = timers.removeLast()
    guard position < timers.count else { return }
    if position > 0, last.isDue(before: timers[(position - 1) / 2]) {
      rise(last, from: position)
    } else {
      sink(last, from: position)
    }
  }

  private mutating func rise(_ timer: Timer, from position: Int) {
    var position = position
    while position > 0 {
      let parent = (position - 1) / 2
      guard timer.isDue(before: timers[parent]) else { break }
      place(timers[parent], at: position)
      position = parent
    }
    place(timer, at: position)
  }

  private mutating func sink(_ timer: Timer, from position: Int) {
    var position = position
    while true {
      var child = 2 * position + 1
      guard child < timers.count else { break }
      if child + 1 < timers.count, timers[child + 1].isDue(before: timers[child]) { child += 1 }
      guard timers[child].isDue(before: timer) else { break }
      place(timers[child], at: position)
      position = child
    }
    place(timer, at: position)
  }

  private mutating func place(_ timer: Timer, at position: Int) {
    timers[position] = timer
    timer.position = position
  }
}
