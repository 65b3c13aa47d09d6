import CMultiplex
import Multiplex
import SystemPackage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What an event reports about the descriptor.
@Suite struct EventTests {
  // MARK: Reading and writing

  @Test("bytes to read are reported as readable", arguments: usableBackends)
  func readable(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try far.fileDescriptor.put()
    try poller.register(near, for: .read, token: 9)
    let event = try #require(try poller.wait(timeout: patience).first { _ in true })
    #expect(event.descriptor == near.fileDescriptor)
    #expect(event.token == 9)
    #expect(event.readiness == [.readable])
    #expect(event.isReadable && !event.isWritable)
  }

  @Test("a pending connection makes a listener readable until it is accepted", arguments: usableBackends)
  func connection(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    try poller.register(listener, for: .read)
    #expect(try poller.found() == [:])
    let client = try Socket.connecting(to: listener.localAddress())
    #expect(try poller.found(within: patience) == [listener.fileDescriptor: [.readable]])
    let accepted = try listener.accept()
    #expect(accepted != nil)
    #expect(try poller.found() == [:])
    client.close()
  }

  @Test("a descriptor is writable if there is room, and otherwise isn't", arguments: usableBackends)
  func writable(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .write)
    let event = try #require(try poller.wait(timeout: patience).first { _ in true })
    #expect(event.readiness == [.writable])
    #expect(event.isWritable && !event.isReadable)
    try near.fileDescriptor.fill()
    #expect(try poller.found() == [:])
    try far.fileDescriptor.drain()
    #expect(try poller.found() == [near.fileDescriptor: [.writable]])
  }

  @Test("events that the interest doesn't include aren't reported", arguments: usableBackends, TriggerMode.allCases)
  func unwanted(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try far.fileDescriptor.put()
    try far.shutdown(.writing)
    try near.fileDescriptor.fill()
    try poller.register(near, for: .write | .priority, mode: mode)
    #expect(try poller.found() == [:])
    #expect(try poller.found(within: .milliseconds(250)) == [:])
  }

  @Test("the ends of a pipe are readable and writable at the right times", arguments: usableBackends)
  func pipe(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let pipe = try PipeDescriptors()
    let (reader, writer) = (pipe.reader.fileDescriptor, pipe.writer.fileDescriptor)
    try poller.register(reader, for: .read)
    try poller.register(writer, for: .write)
    #expect(try poller.found(within: patience) == [writer: [.writable]])
    try writer.put()
    #expect(try poller.found(within: patience) == [reader: [.readable], writer: [.writable]])
    try writer.fill()
    #expect(try poller.found(within: patience) == [reader: [.readable]])
  }

  // MARK: Priority

  @Test("out-of-band data is reported as priority until it is taken", arguments: usableBackends)
  func priority(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try connectedPair()
    try poller.register(near, for: .priority)
    #expect(try poller.found() == [:])
    try far.fileDescriptor.putUrgent()
    #expect(try poller.found(within: patience) == [near.fileDescriptor: [.priority]])
    #expect(try poller.found() == [near.fileDescriptor: [.priority]], "level mode repeats it while it is unread")
    try near.fileDescriptor.takeUrgent()
    #expect(try poller.eventuallyFinds([:]))
  }

  @Test("out-of-band data is reported together with other readiness", arguments: usableBackends, TriggerMode.allCases)
  func priorityAndMore(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try connectedPair()
    try far.fileDescriptor.put()
    try far.fileDescriptor.putUrgent()
    let descriptor = near.fileDescriptor
    let everything: Readiness = [.readable, .writable, .priority]
    #expect(
      eventually {
        kernelReadiness(of: descriptor, for: .read | .write | .priority) == everything
      })
    try poller.register(near, for: .read | .write | .priority, mode: mode)
    #expect(try poller.found() == [descriptor: everything])
  }

  @Test("out-of-band data doesn't wake those who only read", arguments: usableBackends)
  func priorityUnwanted(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try connectedPair()
    try poller.register(near, for: .read)
    try far.fileDescriptor.putUrgent()
    let descriptor = near.fileDescriptor
    #expect(eventually { kernelReadiness(of: descriptor, for: .priority) == [.priority] })
    #expect(try poller.found() == [:])
  }

  @Test(
    "a condition that the kernel reports only once isn't lost", .enabled(if: MountNamespace.isPossible),
    arguments: usableBackends)
  func priorityOnce(backend: Poller.Backend) throws {
    let namespace = try MountNamespace()
    // The emulation of edges asks twice: see "Modes and events".
    for mode in TriggerMode.allCases where mode != .edge || !backend.emulatedModes.contains(.edge) {
      let poller = try Poller(backend: backend)
      let table = try namespace.openTable()
      try poller.register(table, for: .priority, mode: mode)
      #expect(try poller.found() == [:])
      for _ in 0..<2 {
        try namespace.change()
        #expect(try poller.found(within: patience)[table.fileDescriptor]?.contains(.priority) == true)
        #expect(try poller.found() == [:])
        if mode == .oneShot { try poller.modify(table, for: .priority) }
      }
    }
  }

  @Test("priority is reported once in edge mode and in one-shot mode", arguments: usableBackends)
  func priorityModes(backend: Poller.Backend) throws {
    for mode in [TriggerMode.edge, .oneShot] {
      let poller = try Poller(backend: backend)
      let (near, far) = try connectedPair()
      try poller.register(near, for: .priority, mode: mode)
      try far.fileDescriptor.putUrgent()
      #expect(try poller.found(within: patience) == [near.fileDescriptor: [.priority]])
      #expect(try poller.found() == [:])
    }
  }

  // MARK: The end of input

  @Test("a peer that has finished sending is reported as read-closed, not as a hang-up", arguments: usableBackends)
  func readClosed(backend: Poller.Backend) throws {
    for (near, far) in [try Socket.pair(), try connectedPair()] {
      let poller = try Poller(backend: backend)
      try poller.register(near, for: .read | .write)
      try far.shutdown(.writing)
      #expect(try poller.eventuallyFinds([near.fileDescriptor: [.readable, .readClosed, .writable]]))
      #expect(try near.fileDescriptor.take() == 0)
    }
  }

  @Test("the end of input is no event for those who don't read", arguments: usableBackends)
  func readClosedUnwanted(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try far.shutdown(.writing)
    try poller.register(near, for: .priority)
    #expect(try poller.found() == [:])
    try poller.modify(near, for: .write)
    #expect(try poller.found() == [near.fileDescriptor: [.writable]])
  }

  // MARK: Hang-ups

  @Test(
    "a socket whose peer has gone is reported as a hang-up, whatever the interest", arguments: usableBackends,
    Interest.combinations)
  func socketHangUp(backend: Poller.Backend, interest: Interest) throws {
    for mode in TriggerMode.allCases {
      for unreadBytes in [0, 3] {
        let poller = try Poller(backend: backend)
        let (near, far) = try Socket.pair()
        let descriptor = near.fileDescriptor
        try poller.register(near, for: interest, mode: mode)
        if unreadBytes > 0 { try far.fileDescriptor.put(unreadBytes) }
        try far.shutdown(.both)
        let expected = kernelReadiness(of: descriptor, for: interest)
        #expect(expected.contains(.hangUp))
        #expect(try poller.found(within: patience) == [descriptor: expected])
      }
    }
  }

  @Test(
    "a hang-up ends a wait in progress, whatever the interest and with bytes unread",
    arguments: usableBackends, Interest.combinations)
  func hangUpDuringWait(backend: Poller.Backend, interest: Interest) throws {
    for mode in TriggerMode.allCases {
      let poller = try Poller(backend: backend)
      let (near, far) = try Socket.pair()
      try far.fileDescriptor.put(3)
      try near.fileDescriptor.fill()
      try poller.register(near, for: interest, mode: mode)
      let peer = far.fileDescriptor
      let waiter = KernelThread()
      try withThread {
        waiter.awaitSleep()
        guard Glibc.shutdown(peer.rawValue, Int32(SHUT_RDWR)) == 0 else { throw Errno(rawValue: errno) }
      } while: {
        let end = ContinuousClock.now + patience
        var found: Readiness = []
        while !found.contains(.hangUp), ContinuousClock.now < end {
          found = try poller.found(within: patience)[near.fileDescriptor] ?? []
          // Readers see earlier bytes first.
          if !found.contains(.hangUp), mode == .oneShot { try poller.modify(near, for: interest) }
        }
        #expect(found.contains(.hangUp))
      }
    }
  }

  @Test(
    "a pipe without a writer is reported as a hang-up, whatever the interest and with bytes unread",
    arguments: usableBackends,
    Interest.combinations)
  func pipeHangUp(backend: Poller.Backend, interest: Interest) throws {
    for unreadBytes in [0, 3] {
      let poller = try Poller(backend: backend)
      let pipe = try PipeDescriptors()
      let reader = pipe.reader.fileDescriptor
      if unreadBytes > 0 { try pipe.writer.fileDescriptor.put(unreadBytes) }
      try poller.register(reader, for: interest)
      try pipe.writer.close()
      let expected: Readiness = unreadBytes > 0 && interest.contains(.read) ? [.readable, .hangUp] : [.hangUp]
      #expect(try poller.eventuallyFinds([reader: expected]))
    }
  }

  @Test("bytes are reported first, then the hang-up, and no bytes after it", arguments: usableBackends)
  func bytesBeforeHangUp(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    try poller.register(reader, for: .read)
    try pipe.writer.fileDescriptor.put()
    #expect(try poller.found(within: patience) == [reader: [.readable]])
    try pipe.writer.close()
    #expect(try poller.eventuallyFinds([reader: [.readable, .hangUp]]))
    #expect(try reader.take() == 1)
    #expect(try poller.found() == [reader: [.hangUp]])
    #expect(try reader.take() == 0)
  }

  @Test(
    "a pipe without a reader is reported as an error, whatever the interest", arguments: usableBackends,
    Interest.combinations)
  func pipeError(backend: Poller.Backend, interest: Interest) throws {
    let poller = try Poller(backend: backend)
    let pipe = try PipeDescriptors()
    let writer = pipe.writer.fileDescriptor
    try poller.register(writer, for: interest)
    try pipe.reader.close()
    let expected: Readiness = interest.contains(.write) ? [.writable, .error] : [.error]
    #expect(try poller.eventuallyFinds([writer: expected]))
  }

  @Test(
    "a TCP socket that was never connected is reported as hung up and writable", arguments: usableBackends,
    TriggerMode.allCases)
  func unconnected(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let socket = OwnedDescriptor(adopting: FileDescriptor(rawValue: try Kernel.socket(AF_INET, cmx_SOCK_STREAM)))
    try poller.register(socket, for: .read | .write, mode: mode)
    #expect(try poller.found(within: patience) == [socket.fileDescriptor: [.writable, .hangUp]])
  }

  // MARK: Errors

  @Test("a reset is reported as an error, whatever the interest", arguments: usableBackends, Interest.combinations)
  func reset(backend: Poller.Backend, interest: Interest) throws {
    for mode in TriggerMode.allCases {
      let poller = try Poller(backend: backend)
      let (near, far) = try connectedPair()
      let descriptor = near.fileDescriptor
      try far.fileDescriptor.resetOnClose()
      far.close()
      #expect(eventually { kernelReadiness(of: descriptor, for: interest).contains(.error) })
      try poller.register(near, for: interest, mode: mode)
      let event = try #require(try poller.wait(timeout: patience).first { _ in true })
      #expect(event.readiness == kernelReadiness(of: descriptor, for: interest))
      #expect(event.readiness.contains(.error))
      #expect(event.isReadable && event.isWritable, "reading and writing both report the error")
    }
  }

  @Test("a reset ends a wait in progress", arguments: usableBackends, TriggerMode.allCases)
  func resetDuringWait(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try connectedPair()
    try poller.register(near, for: .priority, mode: mode)
    let peer = try OwnedDescriptor(duplicating: far.fileDescriptor)
    far.close()
    try peer.fileDescriptor.resetOnClose()
    let number = peer.release()
    let waiter = KernelThread()
    try withThread {
      waiter.awaitSleep()
      try number.close()
    } while: {
      let event = try #require(try poller.wait(timeout: patience).first { _ in true })
      #expect(event.readiness.contains(.error))
    }
  }

  // MARK: Closed descriptors

  @Test(
    "a descriptor that was closed while it was registered is reported as invalid once", arguments: usableBackends,
    TriggerMode.allCases)
  func invalid(backend: Poller.Backend, mode: TriggerMode) throws {
    for interest in Interest.combinations {
      let poller = try Poller(backend: backend)
      let pipe = try PipeDescriptors()
      let owned = try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).renumbered()
      try pipe.reader.close()
      let number = owned.fileDescriptor
      try poller.register(number, for: interest, mode: mode)
      try owned.close()
      // Epoll and edge mode detect it in a wait that times out.
      var found: [FileDescriptor: Readiness] = [:]
      #expect(
        try eventually {
          found = try poller.found(within: .milliseconds(1))
          return !found.isEmpty
        })
      #expect(found == [number: [.invalid]])
      #expect(try poller.found(within: .milliseconds(1)) == [:])
      try poller.unregister(number)
      #expect(poller.count == 0)
    }
  }

  @Test(
    "select and poll detect a closed descriptor in the next wait", arguments: [Poller.Backend.select, .poll],
    [TriggerMode.level, .oneShot])
  func invalidAtOnce(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let pipe = try PipeDescriptors()
    let owned = try pipe.reader.renumbered()
    let number = owned.fileDescriptor
    try poller.register(number, for: .read, mode: mode)
    try owned.close()
    #expect(try poller.found() == [number: [.invalid]])
  }

  @Test("a closed descriptor doesn't keep the others from being found", arguments: usableBackends)
  func invalidAmongOthers(backend: Poller.Backend) throws {
    for mode in TriggerMode.allCases {
      let poller = try Poller(backend: backend)
      let (near, far) = try Socket.pair()
      let owned = try OwnedDescriptor(duplicating: far.fileDescriptor).renumbered()
      let number = owned.fileDescriptor
      try poller.register(near, for: .read, mode: mode)
      try poller.register(number, for: .read, mode: mode)
      try owned.close()
      try far.fileDescriptor.put()
      var found: [FileDescriptor: Readiness] = [:]
      #expect(
        try eventually {
          found.merge(try poller.found(within: .milliseconds(1))) { $1 }
          return found[near.fileDescriptor] != nil
        })
      #expect(found[near.fileDescriptor] == [.readable])
    }
  }
}
