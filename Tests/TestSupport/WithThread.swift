/// Runs `other` on a thread of its own while `body` runs on this one; returns when both have ended.
public func withThread<Value>(
  _ other: @escaping @Sendable () throws -> Void, while body: () throws -> Value
) throws -> Value {
  let party = SecondParty(other)
  let result = Result { try body() }
  try party.join()
  return try result.get()
}
