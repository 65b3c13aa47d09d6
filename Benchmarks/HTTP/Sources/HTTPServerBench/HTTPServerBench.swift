import FlyingFox
import FlyingSocks
import Foundation
import Multiplex
import MultiplexAsync
import MultiplexFlyingFox
import SystemPackage

/// FlyingFox's HTTP server, to be measured on a reactor or on its own pool: `HTTPServerBench BACKEND|own`.
@main
enum HTTPServerBench {
  static func main() async throws {
    let name = CommandLine.arguments.dropFirst().first ?? "own"
    guard let server = try server(on: name) else { return print("HTTPServerBench: unknown backend '\(name)'") }
    let body = Data(repeating: UInt8(ascii: "x"), count: 64)
    await server.appendRoute("/") { _ in HTTPResponse(statusCode: .ok, body: body) }
    let running = Task { try await server.run() }
    try await server.waitUntilListening(timeout: 60)
    guard case .ip4(_, let port) = await server.listeningAddress else { return }
    // Written at once, also into a pipe: the benchmark waits for it.
    try FileDescriptor.standardOutput.writeAll(Array("listening on 127.0.0.1:\(port) (\(name))\n".utf8))
    try await running.value
  }

  /// Makes the server.
  ///
  /// - Returns: The server; nil if there is no such backend.
  private static func server(on name: String) throws -> HTTPServer? {
    let address = try sockaddr_in.inet(ip4: "127.0.0.1", port: 0)
    if name == "own" { return HTTPServer(address: address, logger: .disabled) }
    guard let backend = Poller.Backend(name) else { return nil }
    return HTTPServer(address: address, pool: .reactor(try Reactor(backend: backend)), logger: .disabled)
  }
}
