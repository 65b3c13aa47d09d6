import MultiplexAsync
import TestSupport

/// A peer that takes nothing, with a connection that still has some of `size` bytes to send to it.
///
/// - Parameter size: More than a driver accepts at once. The write doesn't wait.
func slowPeer(sent size: Int, on reactor: Reactor) async throws -> RawPeer {
  let peer = try await RawPeer(on: reactor, bufferSize: 4096)
  peer.connection.setWatermarks(Watermarks(low: 0, high: size))
  try await peer.connection.write(numbered(size))
  return peer
}
