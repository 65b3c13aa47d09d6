import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One conversation with a server: waits for the keyboard and the connection at the same time.
final class ConnectSession: Sendable {
  /// Which side has come to its end.
  private enum Side {
    case keyboard, server
  }

  private let connection: Connection
  private let keyboard = Keyboard()
  private let prompts = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
  private let inputHasEnded = Atomic(false)

  init(_ connection: Connection) {
    self.connection = connection
  }

  /// - Throws: Why the connection was lost, or what is wrong with the standard streams.
  func run() async throws {
    try prompt()
    let reactor = connection.reactor
    try await withThrowingTaskGroup(of: Side.self) { sides in
      sides.addTask(executorPreference: reactor) { try await self.sendInput() }
      sides.addTask(executorPreference: reactor) { try await self.printReplies() }
      while let side = try await sides.next(), side != .server {}
      // Nobody is left to take what is typed.
      sides.cancelAll()
    }
    let unsent = await connection.queuedCount
    guard unsent == 0 else {
      throw Failure(
        "the server closed the connection before it had taken everything: \(unsent) bytes are lost", .ioError)
    }
    if prompts, !hasEnded { Console.complain("the server closed the connection") }
  }

  private var hasEnded: Bool { inputHasEnded.load(ordering: .relaxed) }

  /// Sends what is typed, no faster than the server takes it.
  private func sendInput() async throws -> Side {
    do {
      while let bytes = try await keyboard.read(on: connection.reactor) {
        try await connection.write(bytes)
      }
      inputHasEnded.store(true, ordering: .relaxed)
      // The shell's own prompt is to stand on a line of its own.
      if prompts { try Console.write("\n".utf8) }
      try await connection.closeWrite()
    } catch let error where Task.isCancelled && !(error is Failure) {
      // The server has finished.
    }
    return .keyboard
  }

  private func printReplies() async throws -> Side {
    while let chunk = try await connection.read() {
      let bytes = chunk.array
      try Console.write(bytes)
      if bytes.last == UInt8(ascii: "\n") { try prompt() }
    }
    return .server
  }

  private func prompt() throws {
    guard prompts, !hasEnded else { return }
    try Console.write(">>: ".utf8)
  }
}
