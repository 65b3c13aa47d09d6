import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One conversation with a server: waits for the keyboard and the socket at the same time.
final class ConnectSession {
  /// Nothing is read from the keyboard while the server has yet to take this much.
  private static let highWater = 256 * 1024

  private let socket: Socket
  private let keyboard = FileDescriptor.standardInput
  private var buffer = [UInt8](repeating: 0, count: 64 * 1024)
  private var outgoing = ByteQueue()
  private var inputHasEnded = false
  private var serverHasFinished = false
  private let prompts = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1

  init(_ socket: Socket) {
    self.socket = socket
  }

  /// - Throws: Why the connection was lost.
  func run() throws {
    try prompt()
    while !serverHasFinished {
      // Select takes any descriptor: a file may stand in for the keyboard, which epoll would refuse.
      let takesInput = !inputHasEnded && outgoing.count < Self.highWater
      let ready = try select(
        reading: [socket.fileDescriptor] + (takesInput ? [keyboard] : []),
        writing: outgoing.isEmpty ? [] : [socket.fileDescriptor])
      if !ready.writing.isEmpty { try send() }
      if ready.reading.contains(socket.fileDescriptor) { try receive() }
      if ready.reading.contains(keyboard) { try readKeyboard() }
    }
    guard outgoing.isEmpty else {
      throw Failure(
        "the server closed the connection before it had taken everything: \(outgoing.count) bytes are lost", .ioError)
    }
    if prompts, !inputHasEnded { Console.complain("the server closed the connection") }
  }

  private func readKeyboard() throws {
    guard let count = try readInput() else { return }
    if count == 0 {
      inputHasEnded = true
      // The shell's own prompt is to stand on a line of its own.
      if prompts { try Console.write("\n".utf8) }
    } else {
      outgoing.append(buffer[..<count])
    }
    try send()
  }

  /// Reads into the buffer; nil if somebody who shares the input was faster.
  private func readInput() throws -> Int? {
    do {
      return try unsafe buffer.withUnsafeMutableBytes { try unsafe keyboard.read(into: $0) }
    } catch Errno.wouldBlock {
      return nil
    } catch {
      throw Failure("standard input: \(error)", .ioError)
    }
  }

  private func send() throws {
    if !outgoing.isEmpty, let sent = try socket.send(outgoing.contents) { outgoing.removeFirst(sent) }
    if outgoing.isEmpty, inputHasEnded { try endOutput() }
  }

  /// Tells the server that nothing more comes. One that has gone meanwhile needs no telling.
  private func endOutput() throws {
    do {
      try socket.shutdown(.writing)
    } catch let error where error.errno == .socketNotConnected {
      return
    }
  }

  private func receive() throws {
    guard let received = try socket.receive(upTo: buffer.count) else { return }
    guard !received.isEmpty else {
      serverHasFinished = true
      return
    }
    try Console.write(received)
    if received.last == UInt8(ascii: "\n") { try prompt() }
  }

  private func prompt() throws {
    guard prompts, !inputHasEnded else { return }
    try Console.write(">>: ".utf8)
  }
}
