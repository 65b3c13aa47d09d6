#if MULTIPLEX_FAULTS
  import Multiplex
  import SystemPackage
  import TestSupport
  import Testing

  /// If the kernel lacks the resources to modify a registration, the registration stays as it was.
  @Suite("A modify that fails") struct FailedModifyTests {
    /// A poller with a pipe. The pipe's reading end has a number that no other test gets.
    private struct Watched: ~Copyable {
      let poller: Poller
      let number: FileDescriptor
      let writer: OwnedDescriptor
    }

    @Test(
      "a modify that fails for lack of memory or descriptors keeps the registration and closes nothing",
      arguments: usableBackends,
      TriggerMode.allCases)
    func shortage(backend: Poller.Backend, mode: TriggerMode) throws {
      for isOwned in [true, false] {
        for newMode in TriggerMode.allCases {
          var borrowed: OwnedDescriptor?
          let watched = try watch(backend, mode, isOwned: isOwned, borrowed: &borrowed)
          let hasFailed = try modifyShortOfEverything(watched, to: newMode)
          // Poll and select need more from the kernel only in edge mode, and io_uring nothing before the next wait.
          #expect(hasFailed == (backend != .ioUring && (backend == .epoll || newMode == .edge)))
          guard hasFailed else { continue }
          #expect(watched.poller.count == 1)
          #expect(kernelReadiness(of: watched.writer.fileDescriptor, for: .read) == [], "the other end is open")
          try watched.writer.fileDescriptor.put()
          #expect(try watched.poller.tokens(within: patience) == [7])
          // And it can still be modified.
          try watched.poller.modify(watched.number, for: .read | .priority, mode: newMode)
          #expect(try watched.poller.found(within: patience) == [watched.number: [.readable]])
          try watched.poller.unregister(watched.number)
          borrowed = nil
          #expect(eventually { kernelReadiness(of: watched.writer.fileDescriptor, for: .read) == [.error] })
        }
      }
    }

    @Test("a failed Multiplexer.modify keeps the attachment", arguments: usableBackends)
    func attachment(backend: Poller.Backend) throws {
      let multiplexer = try Multiplexer<String>(backend: backend)
      // A kind of file for which the io_uring backend asks epoll.
      let epoll = try Epoll()
      let (near, far) = try Socket.pair()
      try epoll.register(near, for: .in)
      try multiplexer.register(epoll, for: .read, attachment: "kept")
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.epoll_create1: [.tooManyOpenFiles], .epoll_ctl: [.noMemory]])
      FaultPlan.$current.withValue(plan) {
        #expect(throws: MultiplexError.self) { try multiplexer.modify(epoll, for: .read, mode: .edge) }
      }
      #expect(multiplexer[epoll.fileDescriptor]?.attachment == "kept")
      #expect(multiplexer[epoll.fileDescriptor]?.mode == .level)
      try far.fileDescriptor.put()
      #expect(try multiplexer.wait(timeout: patience).map(\.registration.attachment) == ["kept"])
    }

    @Test("a failed modify leaves a one-shot registration that has fired silent", arguments: usableBackends)
    func staysSilent(backend: Poller.Backend) throws {
      var borrowed: OwnedDescriptor?
      let watched = try watch(backend, .oneShot, isOwned: true, borrowed: &borrowed)
      try watched.writer.fileDescriptor.put()
      #expect(try watched.poller.tokens(within: patience) == [7])
      #expect(try modifyShortOfEverything(watched, to: .edge) == (backend != .ioUring))
      guard backend != .ioUring else { return }
      #expect(try watched.poller.tokens() == [])
      try watched.poller.modify(watched.number, for: .read)
      #expect(try watched.poller.tokens(within: patience) == [7])
    }

    @Test(
      "a failed change to edge mode leaves a regular file registered as it was",
      arguments: [Poller.Backend.select, .poll, .ioUring].filter(usableBackends.contains))
    func notPollable(backend: Poller.Backend) throws {
      let poller = try Poller(backend: backend)
      let file = try FileDescriptor.open(FilePath("/proc/self/exe"), .readOnly, options: .closeOnExec)
      let number = try poller.register(owning: OwnedDescriptor(adopting: file), for: .read)
      let reason = refusal { () throws(MultiplexError) in try poller.modify(number, for: .read, mode: .edge) }
      #expect(reason == .notPollable)
      #expect(try poller.found(within: patience) == [number: [.readable]])
    }

    private func watch(
      _ backend: Poller.Backend, _ mode: TriggerMode, isOwned: Bool, borrowed: inout OwnedDescriptor?
    ) throws -> Watched {
      let poller = try Poller(backend: backend)
      let pipe = try PipeDescriptors()
      let reader = try pipe.reader.renumbered()
      let number = reader.fileDescriptor
      if isOwned {
        try poller.register(owning: reader, for: .read, mode: mode, token: 7)
      } else {
        try poller.register(reader, for: .read, mode: mode, token: 7)
        borrowed = consume reader
      }
      return Watched(poller: poller, number: number, writer: pipe.writer)
    }

    /// - Returns: Whether it failed.
    private func modifyShortOfEverything(_ watched: borrowing Watched, to mode: TriggerMode) throws -> Bool {
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.epoll_create1: [.tooManyOpenFiles], .epoll_ctl: [.noMemory]])
      let (poller, number) = (watched.poller, watched.number)
      let reason = FaultPlan.$current.withValue(plan) {
        refusal { () throws(MultiplexError) in try poller.modify(number, for: .read, mode: mode) }
      }
      #expect([nil, .openFileLimit, .system].contains(reason))
      return reason != nil
    }
  }
#endif
