/// Tasks that wait for the same. Each wait has a name, so that it can be ended by itself.
struct WaiterList<Value: Sendable> {
  private var entries: [(id: UInt64, waiter: Waiter<Value>)] = []

  var isEmpty: Bool { entries.isEmpty }

  mutating func append(_ waiter: Waiter<Value>, named id: UInt64) {
    entries.append((id, waiter))
  }

  /// Ends one wait, if it is there.
  mutating func resume(_ id: UInt64, returning value: Value) {
    guard let index = entries.firstIndex(where: { $0.id == id }) else { return }
    entries.remove(at: index).waiter.resume(returning: value)
  }

  /// Ends all waits, in the order they were begun.
  mutating func resumeAll(returning value: Value) {
    guard !entries.isEmpty else { return }
    let due = entries
    entries = []
    for entry in due { entry.waiter.resume(returning: value) }
  }
}
