import Multiplex
import MultiplexAsync
import Testing

/// Serves on loopback while the body runs, then shuts the server down.
func withServer(
  on reactor: Reactor, maximumConnections: Int = .max,
  _ handler: @escaping @Sendable (Connection) async throws -> Void,
  while body: (Listener) async throws -> Void
) async throws {
  try await withListener(
    on: reactor, served: { await $0.serve(maximumConnections: maximumConnections, handler) }, while: body)
}

/// Listens on loopback and serves in some way while the body runs, then shuts the server down.
func withListener(
  on reactor: Reactor, served serve: @escaping @Sendable (Listener) async -> Void,
  while body: (Listener) async throws -> Void
) async throws {
  let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
  async let serving: Void = serve(listener)
  try await body(listener)
  await listener.shutDown(within: .zero)
  await serving
}

/// The handler of most servers in the tests.
@Sendable
func echo(_ connection: Connection) async throws {
  while let chunk = try await connection.read() {
    try await connection.write(chunk)
  }
}
