import Multiplex
import TestSupport
import Testing

@Suite("echo-complete")
struct EchoCompleteTests {
  @Test("echoes out-of-band data in its place, and keeps the connection")
  func outOfBand() throws {
    let server = try EchoServer(.complete)
    let peer = try server.connect()
    try peer.send("before")
    #expect(try peer.receiveText(6) == "before")
    try peer.socket.fileDescriptor.putUrgent()
    try peer.send("after")
    #expect(try peer.receiveText(6) == "!after")
    _ = try server.process.line(containing: "out-of-band data from <socket 4")
    // It is over: the loop waits again.
    #expect(try server.time(ofTurns: 6) > .seconds(1))
    #expect(server.process.openDescriptors.count == 5)
  }

  @Test("doesn't spin over out-of-band data from a client that it doesn't read from")
  func outOfBandWhilePaused() throws {
    let server = try EchoServer(.complete)
    let stuck = try server.connect()
    try sendUntilPaused(stuck, server)
    // There is room for it in the server's kernel, where it stays unread.
    try stuck.socket.fileDescriptor.putUrgent()
    #expect(try server.time(ofTurns: 6) > .seconds(1))
    #expect(server.process.isRunning)
  }

  @Test("removes a connection that breaks after out-of-band data from every list")
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

  /// Sends piece by piece, and reads nothing, until the server owes too much to read on.
  private func sendUntilPaused(_ peer: EchoPeer, _ server: EchoServer) throws {
    try peer.socket.set(.receiveBuffer, to: 4096)
    let piece = EchoPeer.bytes(65_536)
    for _ in 0..<1000 {
      server.process.takeOutput()
      try peer.socket.sendAll(piece, timeout: ChildProcess.limit)
      // A turn or two may have been for writing alone. With more of them than that, the piece is left unread.
      var turns = 0
      while turns < 5, try server.process.line(containing: "rlist:") == "rlist: []" { turns += 1 }
      if turns == 5 { return }
    }
    Issue.record("the server reads on, whatever it owes")
  }
}
