/// Runs `other` on its own thread while `body` runs on this one. Returns when both have ended.
public func withThread<Value>(
  _ other: @escaping @Sendable () throws -> Void, while body: () throws -> Value
) throws -> Value {
  let party = SecondParty(other)
  let result = Result { try body() }
  try party.join()
  return try result.get()
}
