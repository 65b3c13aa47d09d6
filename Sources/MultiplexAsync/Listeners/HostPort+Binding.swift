internal import Multiplex
internal import SystemPackage

extension HostPort {
  /// Looks up the host, and binds to the first of its addresses that this machine has. A name may have others: where
  /// IPv6 is disabled, "localhost" often still includes ::1.
  ///
  /// - Throws: The error of binding to that address; as ``resolve(for:on:)`` does.
  func withFirstUsableAddress<Bound>(
    on reactor: Reactor, _ bind: (SocketAddress) async throws(MultiplexError) -> Bound
  ) async throws -> Bound {
    let addresses = try await resolve(for: .listening, on: reactor)
    for address in addresses.dropLast() {
      do throws(MultiplexError) {
        return try await bind(address)
      } catch {
        guard error.isMissingAddress else { throw error }
      }
    }
    // A host has at least one address.
    return try await bind(addresses[addresses.count - 1])
  }
}

extension MultiplexError {
  /// Whether this machine doesn't have the address, or doesn't use its family.
  var isMissingAddress: Bool { errno == .addressNotAvailable || errno == .addressFamilyNotSupported }
}
