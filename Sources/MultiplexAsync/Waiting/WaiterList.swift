/// The waiters for one event. Each wait has a name, so that it can be ended separately.
///
/// They are removed before they are resumed: one that the loop calls may wait again immediately.
struct WaiterList<Value: Sendable> {
  typealias Waiter = AnyWaiter<Value>

  private var entries: [(id: WaitID, waiter: Waiter)] = []

  var isEmpty: Bool { entries.isEmpty }

  mutating func append(_ waiter: Waiter, named id: WaitID) {
    entries.append((id, waiter))
  }

  /// Removes and returns a waiter, if it is there.
  mutating func take(_ id: WaitID) -> Waiter? {
    guard let index = entries.firstIndex(where: { $0.id == id }) else { return nil }
    return entries.remove(at: index).waiter
  }

  /// Removes and returns all, in the order in which they began to wait.
  mutating func takeAll() -> [Waiter] {
    guard !entries.isEmpty else { return [] }
    defer { entries = [] }
    return entries.map(\.waiter)
  }
}

extension Array {
  /// Resumes all of them.
  func resume<Value>(returning value: Value) where Element == AnyWaiter<Value> {
    for waiter in self { waiter.resume(returning: value) }
  }
}
