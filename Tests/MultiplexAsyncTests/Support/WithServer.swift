import Multiplex
import MultiplexAsync
import TestSupport
import Testing

/// Serves on loopback while the body runs, then shuts the server down.
func withServer(
  on reactor: Reactor, _ handler: @escaping @Sendable (Connection) async throws -> Void,
  while body: (Listener) async throws -> Void
) async throws {
  try await withListener(on: reactor, served: { await $0.serve(handler) }, while: body)
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

/// Connects a client, and waits for its answer from an echo server, which serves by then.
func answeredClient(of listener: some ListenerProtocol) async throws -> Socket {
  let client = try Socket.connected(to: listener.localAddress)
  try client.sendAll([0])
  #expect(try await becomesTrue { try client.receive(upTo: 1) == [0] })
  return client
}

/// Makes connections to a listener, one after another.
func connect(_ count: Int, to listener: Listener, on reactor: Reactor) async throws -> [Connection] {
  var clients: [Connection] = []
  for _ in 0..<count { clients.append(try await Connection.connect(to: listener.localAddress, on: reactor)) }
  return clients
}

/// Expects that what is written comes back.
func checkEcho(_ client: Connection) async throws {
  try await client.write("hello")
  #expect(try await client.read(exactly: 5) == Array("hello".utf8))
}
