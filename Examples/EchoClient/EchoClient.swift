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
/// An echo has as many bytes as were sent, so the client knows how much to wait for. Replies are printed as bytes, so a
/// character that arrives in two pieces is printed whole.
@main
struct EchoClient {
  let server: Socket
  /// Bytes read from the keyboard beyond the current line.
  var typed: ArraySlice<UInt8> = []

  mutating func run() throws {
    try show(">>:")
    while let line = try nextLine() {
      try exchange(line)
      try show(">>:")
    }
    try show("\n")
  }

  /// Returns the next line from the keyboard; nil at the end of input. The server is watched meanwhile.
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

  /// Sends a line and prints the reply as it arrives, both at the same time: a server that can't send its reply stops
  /// reading a long line.
  func exchange(_ line: [UInt8]) throws {
    guard !line.isEmpty else { return }  // an empty line has no reply
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

// MARK: - Input and output

extension EchoClient {
  /// Receives the available bytes and prints them; ends the program if the server has closed the connection.
  private func receive(upTo count: Int) throws -> Int {
    guard let bytes = try server.receive(upTo: count) else { return 0 }
    if bytes.isEmpty {
      try show("\n")
      Self.fail("the server has closed the connection", status: EX_IOERR)
    }
    try FileDescriptor.standardOutput.writeAll(bytes)
    return bytes.count
  }

  /// Reads what has been typed; empty at the end of input.
  private func readKeyboard() throws -> ArraySlice<UInt8> {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    // Any bytes are valid.
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
