import Foundation
import Multiplex
import TestSupport
import Testing

@Suite("UnixSocketFile, contended") struct UnixSocketRaceTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test("of several threads that replace a stale socket file at the same time, one listens", arguments: 0..<50)
  func simultaneous(round: Int) throws {
    Forks.pause()
    defer { Forks.resume() }
    let address = SocketAddress.unix(path: folder.file("socket"))
    try Socket.listening(on: address).close()
    let start = Start()
    let parties = (0..<4).map { _ in
      SecondParty {
        start.wait()
        return (try? Socket.listening(on: address)).map(Listener.init)
      }
    }
    start.give(to: parties.count)
    let listeners = try parties.compactMap { try $0.join() }
    #expect(listeners.count == 1)

    // And it is the one that clients reach.
    let client = try Socket.connected(to: address)
    try client.sendAll([7])
    let hasArrived = try eventually {
      while let accepted = try listeners.first?.socket.accept() {
        if try accepted.receive(upTo: 1) == [7] { return true }
      }
      return false
    }
    #expect(hasArrived)
    client.close()
  }

  @Test("a directory that somebody keeps locked is no obstacle")
  func lockedFolder() throws {
    let lock = unsafe open(folder.file("."), O_RDONLY | O_CLOEXEC)
    defer { close(lock) }
    try #require(flock(lock, LOCK_EX) == 0)
    let listener = try Socket.listening(on: .unix(path: folder.file("socket")))
    let client = try Socket.connected(to: .unix(path: folder.file("socket")))
    #expect(try listener.accept() != nil)
    client.close()
  }

  /// Releases threads at the same time.
  private final class Start: Sendable {
    private let gate = DispatchSemaphore(value: 0)

    func wait() { gate.wait() }

    func give(to count: Int) {
      for _ in 0..<count { gate.signal() }
    }
  }

  /// Passed from the thread that made it to the one that uses it, never shared.
  private struct Listener: @unchecked Sendable {
    let socket: Socket
  }
}
