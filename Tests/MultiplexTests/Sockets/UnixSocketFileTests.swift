import Foundation
import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("UnixSocketFile") struct UnixSocketFileTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test("a stale socket file is replaced")
  func staleFile() throws {
    Forks.pause()
    defer { Forks.resume() }
    let path = folder.file("dead")
    try Socket.listening(on: .unix(path: path)).close()
    #expect(folder.exists("dead"))
    #expect(throws: MultiplexError.self) { try Socket.connected(to: .unix(path: path)) }

    let listener = try Socket.listening(on: .unix(path: path))
    let client = try Socket.connected(to: .unix(path: path))
    #expect(try listener.accept() != nil)
    client.close()
  }

  @Test("a socket that somebody listens on is not replaced, and keeps working")
  func liveSocket() throws {
    Forks.pause()
    defer { Forks.resume() }
    let address = SocketAddress.unix(path: folder.file("live"))
    let listener = try Socket.listening(on: address)
    let error = #expect(throws: MultiplexError.self) { try Socket.listening(on: address) }
    #expect(error?.call == "bind")
    #expect(error?.errno == .addressInUse)
    let client = try Socket.connected(to: address)
    try client.sendAll([7])
    // The check whether somebody listens was a connection too, and was closed at once.
    let accepted = try [listener.accept(), listener.accept()]
    #expect(accepted.compactMap { try? $0?.receive(upTo: 1) } == [[], [7]])
  }

  #if MULTIPLEX_FAULTS
    @Test("a socket that is bound but can't listen leaves no file behind")
    func failedListen() throws {
      let path = folder.file("socket")
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.listen: [.noMemory]])
      let error = #expect(throws: MultiplexError.self) {
        try FaultPlan.$current.withValue(plan) { _ = try Socket.listening(on: .unix(path: path)) }
      }
      #expect(error?.call == "listen")
      #expect(!folder.exists("socket"))
    }

    @Test("without a descriptor to look, a file is neither removed nor taken for a live socket's")
    func noDescriptor() throws {
      let path = folder.file("socket")
      try Socket.listening(on: .unix(path: path)).close()
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.socket: [.tooManyOpenFiles]])
      FaultPlan.$current.withValue(plan) {
        let error = #expect(throws: MultiplexError.self) { try UnixSocketFile.removeIfStale(path) }
        #expect(error?.reason == .openFileLimit)
        #expect(folder.exists("socket"))
        #expect(!UnixSocketFile.removeIfStaleWithoutWaiting(path))
      }
      #expect(UnixSocketFile.removeIfStaleWithoutWaiting(path))
      #expect(!folder.exists("socket"))
    }
  #endif

  @Test("a socket whose queue is full counts as alive")
  func fullQueue() throws {
    let path = folder.file("full")
    let listener = try Socket.listening(on: .unix(path: path), backlog: 0)
    let waiting = try Socket.connected(to: .unix(path: path))
    #expect(throws: MultiplexError.self) { try Socket.connecting(to: .unix(path: path)) }
    try UnixSocketFile.removeIfStale(path)
    #expect(folder.exists("full"))
    #expect(try listener.accept() != nil)
    waiting.close()
  }

  @Test("a regular file is never removed, and can't be listened on")
  func regularFile() throws {
    let path = folder.file("file")
    try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: MultiplexError.self) { try Socket.listening(on: .unix(path: path)) }
    #expect(error?.errno == .addressInUse)
    #expect(error?.subject == path)
    try UnixSocketFile.removeIfStale(path)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
  }

  @Test("a directory, a pipe and a link to a stale socket file are never removed")
  func otherFiles() throws {
    let directory = folder.file("directory")
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    let pipe = folder.file("pipe")
    try #require(unsafe mkfifo(pipe, 0o600) == 0)
    let socket = folder.file("socket")
    try Socket.listening(on: .unix(path: socket)).close()
    let link = folder.file("link")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: socket)
    for name in ["directory", "pipe", "link"] {
      try UnixSocketFile.removeIfStale(folder.file(name))
      #expect(throws: MultiplexError.self) { try Socket.listening(on: .unix(path: folder.file(name))) }
      #expect(folder.exists(name))
    }
    #expect(folder.exists("socket"))
  }

  @Test("removing a stale file at a path where there is nothing changes nothing")
  func nothing() throws {
    for path in ["nothing", "no/such/folder"] {
      #expect(throws: Never.self) { try UnixSocketFile.removeIfStale(folder.file(path)) }
    }
    #expect(!folder.exists("nothing"))
    #expect(!folder.exists("no"))
  }

  @Test("a path with a zero byte doesn't stand for the file that it begins with")
  func zeroByte() throws {
    let path = folder.file("dead")
    try Socket.listening(on: .unix(path: path)).close()
    try UnixSocketFile.removeIfStale(path + "\0more")
    #expect(folder.exists("dead"))
  }
}
