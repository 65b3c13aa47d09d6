public import Multiplex

extension HostPort {
  /// Looks up the addresses of the host, as `HostPort.resolve(for:)` does, without blocking a thread that others need.
  ///
  /// - Throws: `MultiplexError.Reason.unknownAddress` with the resolver's message; `CancellationError`, immediately if
  ///   the task is cancelled.
  public func resolve(for purpose: Purpose = .connecting, on reactor: Reactor) async throws -> [SocketAddress] {
    // An IP address needs no lookup and no thread.
    if let address = try? SocketAddress(description) { return [address] }
    return try await reactor.offload(to: .lookups) { try resolve(for: purpose) }
  }
}
