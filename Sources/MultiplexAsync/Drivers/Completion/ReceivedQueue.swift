/// Received and not yet read data. Most connections have one piece at a time, which needs no memory of its own.
enum ReceivedQueue {
  case empty
  case one(Received)
  /// At least two.
  case several([Received])

  init() {
    self = .empty
  }

  var count: Int {
    switch self {
    case .empty: 0
    case .one: 1
    case .several(let all): all.count
    }
  }

  var isEmpty: Bool {
    if case .empty = self { true } else { false }
  }

  mutating func append(_ received: Received) {
    switch self {
    case .empty: self = .one(received)
    case .one(let first): self = .several([first, received])
    case .several(var all):
      // Moved out, so that it isn't copied.
      self = .empty
      all.append(received)
      self = .several(all)
    }
  }

  mutating func popFirst() -> Received? {
    switch self {
    case .empty: return nil
    case .one(let first):
      self = .empty
      return first
    case .several(var all):
      self = .empty
      let first = all.removeFirst()
      self = all.count > 1 ? .several(all) : .one(all[0])
      return first
    }
  }
}
