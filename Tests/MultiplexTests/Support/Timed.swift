/// What a call returns, and how long it takes.
func timed<Value>(_ body: () throws -> Value) rethrows -> (Value, Duration) {
  let start = ContinuousClock.now
  let value = try body()
  return (value, ContinuousClock.now - start)
}
