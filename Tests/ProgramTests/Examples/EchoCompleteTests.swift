import Multiplex
import TestSupport
import Testing

@Suite("echo-complete")
struct EchoCompleteTests {
  @Test("echo-complete echoes out-of-band data in its place, and keeps the connection")
  func outOfBand() throws {
    let server = try EchoServer(.complete)
    let peer = try server.connect()
    try peer.send("before")
    #expect(try peer.receiveText(6) == "before")
    try peer.socket.fileDescriptor.putUrgent()
    try peer.send("after")
    #expect(try peer.receiveText(6) == "!after")
    _ = try server.process.line(containing: "out-of-band data from <socket 4")
    // The data has been read: the loop waits again.
    #expect(try server.time(ofTurns: 6) > .seconds(1))
    #expect(openDescriptors(of: "\(server.process.processID)").count == 5)
  }

  @Test("echo-complete doesn't spin because of out-of-band data from a client that it doesn't read from")
  func outOfBandWhilePaused() throws {
    let server = try EchoServer(.complete)
    let stuck = try server.connect()
    try sendUntilPaused(stuck, server)
    // It stays unread in the kernel's receive buffer, which has room for it.
    try stuck.socket.fileDescriptor.putUrgent()
    #expect(try server.time(ofTurns: 6) > .seconds(1))
    #expect(server.process.isRunning)
  }

  @Test("echo-complete removes a connection that breaks after out-of-band data from every list")
  func breaksAfterOutOfBand() throws {
    let server = try EchoServer(.complete)
    let peer = try server.connect()
    try peer.socket.fileDescriptor.putUrgent()
    #expect(try peer.hasSomethingToRead())
    peer.socket.close()
    #expect(try server.hasOnlyItsListener())
    let next = try server.connect()
    try next.send("still there")
    #expect(try next.receiveText(11) == "still there")
  }

  /// Sends piece by piece, and reads nothing, until the server has queued too much to read on.
  private func sendUntilPaused(_ peer: EchoPeer, _ server: EchoServer) throws {
    try peer.socket.set(.receiveBuffer, to: 4096)
    let piece = numbered(65_536)
    for _ in 0..<1000 {
      server.process.takeOutput()
      try peer.socket.sendAll(piece, timeout: ChildProcess.limit)
      // A turn or two may have been only for writing. After more of them, the piece stays unread.
      var turns = 0
      while turns < 5, try server.process.line(containing: "rlist:") == "rlist: []" { turns += 1 }
      if turns == 5 { return }
    }
    Issue.record("the server keeps reading, however much it has queued")
  }
}
