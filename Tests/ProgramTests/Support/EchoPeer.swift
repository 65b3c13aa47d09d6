import Multiplex
import SystemPackage
import TestSupport
import Testing

/// A client or a server that is played by the test.
struct EchoPeer {
  let socket: Socket
  /// The program at the other end, unless that is the test.
  private let program: ChildProcess?

  init(_ socket: Socket) {
    self.socket = socket
    program = nil
  }

  init(connectingTo address: SocketAddress, of program: ChildProcess? = nil) throws {
    socket = try Socket.connected(to: address, timeout: ChildProcess.limit)
    self.program = program
  }

  /// Waits for the next connection.
  init(acceptedBy listener: Socket) throws {
    socket = try listener.acceptNext()
    program = nil
  }

  func send(_ text: String) throws {
    try socket.sendAll(Array(text.utf8), timeout: ChildProcess.limit)
  }

  /// Sends until there has been no room for a while, and the program at the other end is idle: on a busy machine, it
  /// may have to wait for a processor before it makes room.
  ///
  /// - Returns: The number of bytes that were sent.
  func fill(with bytes: [UInt8], quietFor quiet: Duration = .milliseconds(300)) throws -> Int {
    var unsent = bytes[...]
    let end = ContinuousClock.now + ChildProcess.limit
    while !unsent.isEmpty {
      guard try !select(writing: [socket], timeout: quiet).isEmpty else {
        guard program?.isBusy == true, ContinuousClock.now < end else { break }
        continue
      }
      if let count = try socket.send(unsent) { unsent = unsent.dropFirst(count) }
    }
    return bytes.count - unsent.count
  }

  /// Sends everything, and reads only when there is no room to send, so that every buffer on the way fills up.
  ///
  /// - Returns: The bytes received until everything was sent.
  func sendReluctantlyReading(_ bytes: [UInt8]) throws -> [UInt8] {
    var unsent = bytes[...]
    var received: [UInt8] = []
    while !unsent.isEmpty {
      if let count = try socket.send(unsent) {
        unsent = unsent.dropFirst(count)
      } else {
        let ready = try select(reading: [socket], writing: [socket], timeout: ChildProcess.limit)
        try #require(!ready.isEmpty, "the server neither reads nor writes")
        if !ready.reading.isEmpty { received += try next(upTo: 65_536) }
      }
    }
    return received
  }

  /// Receives this many bytes, or fewer if the server ends the connection first.
  func receive(_ count: Int) throws -> [UInt8] {
    var received: [UInt8] = []
    while received.count < count {
      let bytes = try next(upTo: min(count - received.count, 65_536))
      if bytes.isEmpty { break }
      received += bytes
    }
    return received
  }

  func receiveText(_ count: Int) throws -> String { String(decoding: try receive(count), as: UTF8.self) }

  /// Receives until the server ends the connection.
  func receiveToEnd() throws -> [UInt8] { try receive(.max) }

  /// Waits until the connection ends, and returns whether it was reset, with no byte before.
  func isReset() throws -> Bool {
    do {
      _ = try next(upTo: 1)
      return false
    } catch let error as MultiplexError {
      return error.errno == .connectionReset
    }
  }

  /// Waits until something has arrived, without reading it.
  func hasSomethingToRead() throws -> Bool {
    try !select(reading: [socket], timeout: ChildProcess.limit).isEmpty
  }

  /// Waits for bytes and returns them; none at the end.
  private func next(upTo count: Int) throws -> [UInt8] {
    while true {
      let hasArrived = try hasSomethingToRead()
      try #require(hasArrived, "nothing arrived")
      if let bytes = try socket.receive(upTo: count) { return bytes }
    }
  }
}
