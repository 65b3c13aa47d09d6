import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Numbers that were closed, and that the poller's own descriptors have taken: to the caller they aren't open.
///
/// The kernel assigns the lowest free number. Other tests compete for it, so each test makes several attempts.
@Suite("The poller's own numbers") struct OwnNumbersTests {
  private static let attempts = 1...100

  @Test(
    "registering a closed descriptor fails, even if the poller takes its number for that", arguments: usableBackends)
  func register(backend: Poller.Backend) throws {
    let (near, far) = try Socket.pair()
    defer { far.close() }
    let reasons = try Self.attempts.map { _ in
      let poller = try Poller(backend: backend)
      let number = try closedNumber(near)
      return refusal { () throws(MultiplexError) in try poller.register(number, for: .read, mode: .edge) }
    }
    #expect(reasons.contains(.notOpen))
    #expect(!reasons.contains(.invalidArgument))
  }

  @Test(
    "modifying a closed descriptor drops it, even if the poller takes its number for that", arguments: usableBackends)
  func modify(backend: Poller.Backend) throws {
    let (near, far) = try Socket.pair()
    let reasons = try Self.attempts.map { _ in
      let poller = try Poller(backend: backend)
      let duplicate = try near.duplicated()
      let number = duplicate.fileDescriptor
      try poller.register(number, for: .read)
      try duplicate.close()
      let reason = refusal { () throws(MultiplexError) in try poller.modify(number, for: .read, mode: .edge) }
      if reason == .notOpen {
        #expect(poller.count == 0)
        try poller.register(near, for: .write, mode: .edge)
        #expect(try poller.found(within: patience) == [near.fileDescriptor: [.writable]], "edges are reported")
      }
      return reason
    }
    #expect(reasons.contains(.notOpen))
    #expect(!reasons.contains(.invalidArgument))
    withExtendedLifetime(far) {}
  }

  @Test("a poller's own descriptors can't be registered", arguments: usableBackends, TriggerMode.allCases)
  func own(backend: Poller.Backend, mode: TriggerMode) throws {
    let (near, far) = try Socket.pair()
    defer { far.close() }
    // The waker, the backend's own, and on io_uring the one that checks files for edge mode.
    let ownCount = backend == .ioUring ? 3 : 2
    var isEachRefused = false
    var otherwise: Set<MultiplexError.Reason> = []
    for _ in Self.attempts where !isEachRefused {
      let timer = try TimerDescriptor()
      let numbers = try closedNumbers(near, count: ownCount)
      let poller = try Poller(backend: backend)
      try poller.register(timer, for: .read, mode: .edge)
      let reasons = numbers.filter { Kernel.isOpen($0.rawValue) }.map { number in
        refusal { () throws(MultiplexError) in try poller.register(number, for: .read, mode: mode) }
      }
      otherwise.formUnion(reasons.compactMap(\.self))
      isEachRefused = reasons == Array(repeating: .notOpen, count: ownCount)
      poller.close()
    }
    #expect(isEachRefused)
    #expect(otherwise.isDisjoint(with: [.alreadyRegistered, .invalidArgument]))
  }

  /// A number that is free, unless another test has taken it by now.
  private func closedNumber(_ socket: Socket) throws -> FileDescriptor {
    let duplicate = try socket.duplicated()
    let number = duplicate.fileDescriptor
    try duplicate.close()
    return number
  }

  private func closedNumbers(_ socket: Socket, count: Int) throws -> [FileDescriptor] {
    let numbers = try (0..<count).map { _ in try socket.duplicated().release() }
    for number in numbers { _ = OwnedDescriptor(adopting: number) }
    return numbers
  }
}

extension Socket {
  fileprivate func duplicated() throws -> OwnedDescriptor { try OwnedDescriptor(duplicating: fileDescriptor) }
}
