import MultiplexAsync

/// A peer that takes nothing, with a connection that owes it some of so many bytes.
///
/// - Parameter size: More than a driver takes over at once. The write doesn't wait.
func slowPeer(sent size: Int, on reactor: Reactor) async throws -> RawPeer {
  let peer = try await RawPeer(on: reactor, bufferSize: 4096)
  peer.connection.setWatermarks(Watermarks(low: 0, high: size))
  try await peer.connection.write(numbered(size))
  return peer
}
