public import Multiplex

extension HostPort {
  /// The addresses of the host, as `HostPort.resolve(for:)` finds them, without blocking a thread that others
  /// need.
  ///
  /// - Throws: `MultiplexError.Reason.unknownAddress` with the resolver's words; `CancellationError`, at once when the
  ///   task is cancelled.
  public func resolve(for purpose: Purpose = .connecting, on reactor: Reactor) async throws -> [SocketAddress] {
    // What needs no looking up needs no thread.
    if let address = try? SocketAddress(description) { return [address] }
    return try await reactor.offload(to: .lookUps) { try resolve(for: purpose) }
  }
}
