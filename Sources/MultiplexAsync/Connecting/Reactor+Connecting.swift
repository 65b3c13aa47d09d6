internal import Multiplex
internal import SystemPackage

extension Reactor {
  /// How long to wait for room in the queue of a Unix listener: there is no event for it.
  private static let queuePause = Duration.milliseconds(10)

  /// Connects a socket that was made for the address. Nothing else may use it meanwhile.
  func connect(_ socket: Socket, to address: SocketAddress) async throws {
    nonisolated(unsafe) let socket = socket
    while true {
      let result = try await outcome { loop, body in try unsafe loop.driver.connect(socket, to: address, body) }
      guard case .failure(let error) = result, error.isQueueFull, address.isUnix else {
        return try result.get()
      }
      try await sleep(for: Self.queuePause)
    }
  }
}

extension MultiplexError {
  fileprivate var isQueueFull: Bool { errno == .tryAgain }
}
