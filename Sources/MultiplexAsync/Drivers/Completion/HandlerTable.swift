/// Whom to tell of a completion, by a number that is given out again only when no completion can name it any more.
struct HandlerTable {
  typealias Slot = UInt32

  private var handlers: ContiguousArray<(any CompletionHandler)?> = []
  private var free: [Slot] = []

  subscript(slot: Slot) -> (any CompletionHandler)? {
    Int(slot) < handlers.count ? handlers[Int(slot)] : nil
  }

  func forEach(_ body: (any CompletionHandler) -> Void) {
    for handler in handlers { handler.map(body) }
  }

  mutating func insert(_ handler: any CompletionHandler) -> Slot {
    guard let slot = free.popLast() else {
      handlers.append(handler)
      return Slot(handlers.count - 1)
    }
    handlers[Int(slot)] = handler
    return slot
  }

  mutating func remove(_ slot: Slot) {
    handlers[Int(slot)] = nil
    free.append(slot)
  }
}
