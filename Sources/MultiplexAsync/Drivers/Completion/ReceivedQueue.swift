/// What was received and not yet read. Most connections have one piece at a time, and need no memory of their own for it.
struct ReceivedQueue {
  private var first: Received?
  private var rest: [Received] = []

  var count: Int { first == nil ? 0 : 1 + rest.count }
  var isEmpty: Bool { first == nil }

  mutating func append(_ received: Received) {
    if first == nil { first = received } else { rest.append(received) }
  }

  mutating func popFirst() -> Received? {
    defer { first = rest.isEmpty ? nil : rest.removeFirst() }
    return first
  }
}
