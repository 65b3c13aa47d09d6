#if FlyingFox
  internal import Multiplex
  public import FlyingSocks
  public import MultiplexAsync
  internal import SystemPackage

  /// Lets FlyingFox, an HTTP server, wait for its sockets on a reactor, with any backend.
  ///
  ///     let server = HTTPServer(address: .loopback(port: 8080), pool: .reactor(reactor))
  ///     await server.appendRoute("/hello") { _ in HTTPResponse(statusCode: .ok) }
  ///     try await server.run()
  ///
  /// The reactor does the waiting; FlyingFox's own tasks run on Swift's thread pool, whatever executor `run` was called
  /// on. Any number of servers and clients may share a reactor, also with connections and timers of other kinds.
  ///
  /// Available with the package trait `FlyingFox`.
  public struct ReactorSocketPool: AsyncSocketPool {
    /// The reactor that does the waiting.
    public let reactor: Reactor

    /// Makes a pool on a reactor. It can be used immediately: ``prepare()`` does nothing.
    public init(on reactor: Reactor) {
      self.reactor = reactor
    }

    /// Does nothing: the reactor already runs.
    public func prepare() {}

    /// Runs until the task is cancelled, although the reactor needs no running. Meanwhile, sockets that are closed
    /// while they are waited for are found within a second or two, where the kernel doesn't report it:
    /// `HTTPServer.stop(timeout:)` closes the one that it listens on, and waits for its task to notice.
    ///
    /// - Throws: `CancellationError`, as FlyingFox's own pools do.
    public func run() async throws {
      while true {
        try await reactor.sleep(for: .seconds(1))
        reactor.endReadinessOfClosed()
      }
    }

    /// Waits until a socket is ready for one of the events, or its peer is gone: the next call on it shows which.
    ///
    /// - Throws: `SocketError.disconnected`, if the socket was closed meanwhile; `CancellationError`, immediately if
    ///   the task is cancelled; `MultiplexError`, for a socket that can't be waited for.
    public func suspendSocket(_ socket: FlyingSocks.Socket, untilReadyFor events: FlyingSocks.Socket.Events)
      async throws
    {
      guard let interest = Interest(events) else { return }
      let descriptor = FileDescriptor(rawValue: socket.file.rawValue)
      let readiness = try await reactor.readiness(of: descriptor, for: interest)
      if readiness.contains(.invalid) { throw SocketError.disconnected }
    }
  }

  extension AsyncSocketPool where Self == ReactorSocketPool {
    /// A pool that waits on a reactor.
    public static func reactor(_ reactor: Reactor) -> ReactorSocketPool {
      ReactorSocketPool(on: reactor)
    }
  }

  extension Interest {
    /// Nil for no events at all.
    fileprivate init?(_ events: FlyingSocks.Socket.Events) {
      switch (events.contains(.read), events.contains(.write)) {
      case (true, true): self = .read | .write
      case (true, false): self = .read
      case (false, true): self = .write
      case (false, false): return nil
      }
    }
  }
#endif
