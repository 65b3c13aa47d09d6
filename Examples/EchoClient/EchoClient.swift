import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The tutorial's client: sends a line, prints the reply.
///
///     echo-client [HOST:PORT]
///
/// An echo has as many bytes as were sent, so the client knows how much to wait for. Replies are passed on as bytes:
/// a character that arrives in two pieces comes out whole.
@main
struct EchoClient {
  let server: Socket
  /// What was read from the keyboard beyond the line in work.
  var typed: ArraySlice<UInt8> = []

  mutating func run() throws {
    try show(">>:")
    while let line = try nextLine() {
      try exchange(line)
      try show(">>:")
    }
    try show("\n")
  }

  /// The next line from the keyboard; nil at the end of input. The server is watched meanwhile.
  mutating func nextLine() throws -> [UInt8]? {
    var line: [UInt8] = []
    while true {
      if let newline = typed.firstIndex(of: UInt8(ascii: "\n")) {
        line += typed[..<newline]
        typed = typed[(newline + 1)...]
        return line
      }
      line += typed
      typed = []
      let rlist = try select(reading: [.standardInput, server.fileDescriptor]).reading
      if rlist.contains(server.fileDescriptor) { _ = try receive(upTo: 65_536) }
      if rlist.contains(.standardInput) {
        typed = try readKeyboard()
        if typed.isEmpty { return line.isEmpty ? nil : line }
      }
    }
  }

  /// Sends a line and prints the reply as it comes. Both go on at the same time: a server that can't get rid of its
  /// reply takes no more of a long line.
  func exchange(_ line: [UInt8]) throws {
    guard !line.isEmpty else { return }  // nothing was asked, so nothing is answered
    var unsent = line[...]
    var awaited = line.count
    while awaited > 0 {
      let ready = try select(reading: [server], writing: unsent.isEmpty ? [] : [server])
      if !ready.reading.isEmpty {
        awaited -= try receive(upTo: min(awaited, 65_536))
      }
      if !ready.writing.isEmpty, let count = try server.send(unsent) {
        unsent = unsent.dropFirst(count)
      }
    }
    try show("\n")
  }
}

// MARK: - The ends of the wires

extension EchoClient {
  /// Receives something, if there is anything, and prints it; ends the program if the server has gone.
  private func receive(upTo count: Int) throws -> Int {
    guard let bytes = try server.receive(upTo: count) else { return 0 }
    if bytes.isEmpty {
      try show("\n")
      Self.fail("the server has closed the connection", status: EX_IOERR)
    }
    try FileDescriptor.standardOutput.writeAll(bytes)
    return bytes.count
  }

  /// What has been typed; nothing at the end of input.
  private func readKeyboard() throws -> ArraySlice<UInt8> {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    // Any bytes are valid bytes.
    let count = try unsafe bytes.withUnsafeMutableBytes { try unsafe FileDescriptor.standardInput.read(into: $0) }
    return bytes[..<count]
  }

  private func show(_ text: String) throws {
    try FileDescriptor.standardOutput.writeAll(text.utf8)
  }
}

// MARK: - The command line

extension EchoClient {
  /// Connects to the address in the only argument, or to the tutorial's.
  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.count <= 1, arguments.first?.hasPrefix("-") != true else {
      fail("usage: echo-client [HOST:PORT]", status: EX_USAGE)
    }
    let server: Socket
    do {
      server = try Socket.connected(to: HostPort(arguments.first ?? "127.0.0.1:9999"))
    } catch {
      fail("\(error)", status: error.reason == .unknownAddress ? EX_USAGE : EX_UNAVAILABLE)
    }
    do {
      var client = EchoClient(server: server)
      try client.run()
    } catch {
      fail("\(error)", status: EX_IOERR)
    }
  }

  private static func fail(_ reason: String, status: Int32) -> Never {
    _ = try? FileDescriptor.standardError.writeAll("echo-client: \(reason)\n".utf8)
    exit(status)
  }
}
