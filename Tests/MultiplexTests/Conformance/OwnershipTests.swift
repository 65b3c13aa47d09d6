import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Owned descriptors are closed exactly once, borrowed ones never.
///
/// The other end of a pipe sees a hang-up when the descriptor is closed. To detect a second close, another file takes
/// the descriptor's number: it must stay open.
@Suite struct OwnershipTests {
  /// One end of a pipe to hand over, under a number that no other test gets, and the end that watches it.
  private final class Watched {
    let number: FileDescriptor
    let writer: OwnedDescriptor

    /// Makes the pipe, and passes the reading end on.
    init(handingOver body: (consuming OwnedDescriptor) throws -> Void) throws {
      let pipe = try PipeDescriptors()
      let reader = try pipe.reader.renumbered()
      number = reader.fileDescriptor
      writer = pipe.writer
      try body(reader)
    }

    /// Whether the reading end, and any duplicate of it, is closed.
    var isClosed: Bool { kernelReadiness(of: writer.fileDescriptor, for: .read) == [.error] }

    /// Gives the number to another file, and returns whether that gets closed by mistake.
    func survives(_ body: () throws -> Void) throws -> Bool {
      let other = try PipeDescriptors()
      try number.become(other.reader.fileDescriptor)
      let owner = OwnedDescriptor(adopting: number)
      try body()
      let isOpen = kernelReadiness(of: owner.fileDescriptor, for: .read) == []
      if !isOpen { _ = owner.release() } else { try owner.close() }
      return isOpen
    }
  }

  @Test(
    "unregistering closes an owned descriptor once", arguments: usableBackends, TriggerMode.allCases)
  func unregister(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let watched = try Watched { try poller.register(owning: $0, for: .read, mode: mode) }
    #expect(!watched.isClosed)
    try poller.unregister(watched.number)
    #expect(eventually { watched.isClosed })
    let survives = try watched.survives {
      #expect(throws: MultiplexError.self) { try poller.unregister(watched.number) }
      poller.close()
    }
    #expect(survives)
  }

  @Test("unregistering forgets an owned descriptor, even if a duplicate of it exists", arguments: usableBackends)
  func unregisterDuplicated(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let (other, otherPeer) = try Socket.pair()
    let number = try poller.register(owning: near.take(), for: .read, mode: .edge, token: 1)
    let duplicate = try OwnedDescriptor(duplicating: number)
    try poller.register(other, for: .read, mode: .edge, token: 2)
    try otherPeer.fileDescriptor.put()
    #expect(try poller.tokens(within: patience) == [2])
    try poller.unregister(number)
    try far.fileDescriptor.put()
    #expect(kernelReadiness(of: duplicate.fileDescriptor, for: .read) == [.readable])
    #expect(try poller.tokens(within: .milliseconds(1)) == [])
    #expect(try poller.tokens(within: .milliseconds(1)) == [], "an edge is reported once")
  }

  @Test("closing the poller closes owned descriptors once", arguments: usableBackends, TriggerMode.allCases)
  func close(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let watched = try Watched { try poller.register(owning: $0, for: .read, mode: mode) }
    poller.close()
    #expect(eventually { watched.isClosed })
    #expect(try watched.survives { poller.close() })
  }

  @Test("a poller that is dropped closes owned descriptors", arguments: usableBackends, TriggerMode.allCases)
  func deinitialize(backend: Poller.Backend, mode: TriggerMode) throws {
    var poller: Poller? = try Poller(backend: backend)
    let watched = try Watched { try poller?.register(owning: $0, for: .read, mode: mode) }
    #expect(!watched.isClosed)
    poller = nil
    #expect(eventually { watched.isClosed })
  }

  @Test(
    "a descriptor that is taken back is open, and its new owner's to close", arguments: usableBackends,
    TriggerMode.allCases)
  func take(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let watched = try Watched { try poller.register(owning: $0, for: .read, mode: mode) }
    let taken = try poller.take(watched.number)
    #expect(taken.fileDescriptor == watched.number)
    #expect(poller.count == 0)
    poller.close()
    try watched.writer.fileDescriptor.put()
    #expect(try taken.fileDescriptor.take() == 1)
    #expect(!watched.isClosed)
    try taken.close()
    #expect(eventually { watched.isClosed })
  }

  @Test("a descriptor that was taken back is no longer watched", arguments: usableBackends, TriggerMode.allCases)
  func takenIsSilent(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let watched = try Watched { try poller.register(owning: $0, for: .read, mode: mode) }
    try watched.writer.fileDescriptor.put()
    let batch = try poller.wait(timeout: patience)
    #expect(!batch.isEmpty)
    let taken = try poller.take(watched.number)
    #expect(batch.isEmpty)
    #expect(try poller.found() == [:])
    try taken.close()
  }

  @Test("a failed registration closes the descriptor it was given", arguments: usableBackends, TriggerMode.allCases)
  func failedRegister(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    poller.close()
    let watched = try Watched { reader in
      do {
        try poller.register(owning: reader, for: .read, mode: mode)
        Issue.record("the poller is closed")
      } catch let error as MultiplexError {
        #expect(error.reason == .closed)
      }
    }
    #expect(eventually { watched.isClosed })
    #expect(try watched.survives { poller.close() })
  }

  @Test("a borrowed descriptor is neither closed nor given away", arguments: usableBackends, TriggerMode.allCases)
  func borrowed(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    try poller.register(pipe.reader, for: .read, mode: mode)
    #expect(refusal { () throws(MultiplexError) in _ = try poller.take(reader) } == .invalidArgument)
    #expect(poller.count == 1, "it stays registered")
    try poller.unregister(reader)
    try poller.register(pipe.reader, for: .read, mode: mode)
    poller.close()
    try pipe.writer.fileDescriptor.put()
    #expect(try reader.take() == 1)
  }

  @Test("an owned descriptor remains usable through the descriptor that register returns", arguments: usableBackends)
  func returnedDescriptor(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    var returned = FileDescriptor(rawValue: -1)
    let watched = try Watched { returned = try poller.register(owning: $0, for: .read) }
    #expect(returned == watched.number)
    try watched.writer.fileDescriptor.put()
    #expect(try poller.found(within: patience) == [returned: [.readable]])
    #expect(try returned.take() == 1)
  }

  @Test(
    "changing interest and mode neither closes an owned descriptor nor forgets that it is owned",
    arguments: usableBackends)
  func modified(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let watched = try Watched { try poller.register(owning: $0, for: .read) }
    for mode in TriggerMode.allCases + [.level] {
      try poller.modify(watched.number, for: .read | .priority, mode: mode)
      #expect(!watched.isClosed)
    }
    try poller.unregister(watched.number)
    #expect(eventually { watched.isClosed })
  }

  @Test(
    "an owned descriptor that somebody else has closed is no longer the poller's, once it was reported",
    arguments: usableBackends, TriggerMode.allCases)
  func foundClosed(backend: Poller.Backend, mode: TriggerMode) throws {
    for endsByClosing in [true, false] {
      let poller = try Poller(backend: backend)
      let watched = try Watched { try poller.register(owning: $0, for: .read, mode: mode) }
      _ = OwnedDescriptor(adopting: watched.number)
      #expect(try poller.eventuallyFinds([watched.number: [.invalid]]))
      let survives = try watched.survives {
        #expect(refusal { () throws(MultiplexError) in _ = try poller.take(watched.number) } == .invalidArgument)
        if endsByClosing { poller.close() } else { try poller.unregister(watched.number) }
      }
      #expect(survives)
    }
  }
}
