import MultiplexAsync

extension Connection {
  /// Returns what one read into memory of a given size receives.
  func readArray(_ size: Int) async throws -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: size)
    var memory = bytes.mutableSpan
    guard let count = try await read(into: &memory) else { return nil }
    return Array(bytes.prefix(count))
  }
}
