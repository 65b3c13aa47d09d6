/// Makes names, each only once.
struct WaitIDs {
  private var last: UInt64 = 0

  mutating func next() -> WaitID {
    last += 1
    return WaitID(number: last)
  }
}
