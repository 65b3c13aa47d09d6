public import Multiplex
internal import SystemPackage

/// Waits until connections to an address are refused, as nobody listens there any more.
public func becomesRefused(_ address: SocketAddress) async -> Bool {
  await becomesTrue {
    do throws(MultiplexError) {
      _ = try Socket.connected(to: address, timeout: .seconds(10))
      return false
    } catch {
      return error.errno == .connectionRefused
    }
  }
}
