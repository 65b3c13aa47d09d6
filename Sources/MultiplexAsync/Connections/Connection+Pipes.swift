public import Multiplex
internal import SystemPackage

/// Connections of pipes, terminals and other files that are read or written as streams.
extension Connection {
  /// Makes a connection that reads from a pipe, a terminal or another file: the output of a child process, for example.
  ///
  ///     let output = try await Connection.adopt(reading: pipe.reader, on: reactor)
  ///     for try await line in output.lines() { print(line) }
  ///
  /// It has everything that a connection to a peer has, but writes fail with ``ConnectionError/Reason/closed``, and
  /// there is no ``peerAddress``. Regular files can be read as well; as they are always ready, reading from a slow disk
  /// blocks the reactor.
  ///
  /// - Parameters:
  ///   - input: It becomes non-blocking, which everyone who shares the open file notices: a terminal, for example, is
  ///     shared with the shell. Open it again ("/dev/stdin", "/dev/tty") to have one of your own.
  ///   - reactor: The reactor that the connection will belong to.
  /// - Throws: `MultiplexError.Reason.notOpen`.
  public static func adopt(
    reading input: consuming OwnedDescriptor, on reactor: Reactor
  ) async throws(MultiplexError) -> Connection {
    await make(reading: try nonBlocking(input), writing: nil, on: reactor)
  }

  /// Makes a connection that writes to a pipe, a terminal or another file: the input of a child process, for example.
  ///
  /// There is never anything to read. ``closeWrite()`` and ``close()`` close the descriptor once everything is written,
  /// which ends the input of whoever reads the pipe. Without a reader, writes fail with
  /// ``ConnectionError/Reason/reset``; no signal is raised. While there is room, each write is one system call, so that
  /// others may write to the same pipe too: up to 4096 bytes stay together (`PIPE_BUF`).
  ///
  /// - Parameters:
  ///   - output: It becomes non-blocking: see ``adopt(reading:on:)``.
  ///   - reactor: The reactor that the connection will belong to.
  /// - Throws: `MultiplexError.Reason.notOpen`.
  public static func adopt(
    writing output: consuming OwnedDescriptor, on reactor: Reactor
  ) async throws(MultiplexError) -> Connection {
    await make(reading: nil, writing: try nonBlocking(output), on: reactor)
  }

  /// Makes one connection of two files: what a child process prints is read, and what is written is its input.
  ///
  /// - Parameters:
  ///   - input: What to read: see ``adopt(reading:on:)``.
  ///   - output: What to write to: see ``adopt(writing:on:)``.
  ///   - reactor: The reactor that the connection will belong to.
  /// - Throws: `MultiplexError.Reason.notOpen`. Both are closed then.
  public static func adopt(
    reading input: consuming OwnedDescriptor, writing output: consuming OwnedDescriptor, on reactor: Reactor
  ) async throws(MultiplexError) -> Connection {
    await make(reading: try nonBlocking(input), writing: try nonBlocking(output), on: reactor)
  }

  private static func nonBlocking(_ descriptor: consuming OwnedDescriptor) throws(MultiplexError) -> OwnedDescriptor {
    try descriptor.setNonBlocking()
    return descriptor
  }

  private static func make(
    reading input: consuming OwnedDescriptor?, writing output: consuming OwnedDescriptor?, on reactor: Reactor
  ) async -> Connection {
    // A closure can't consume what it captures.
    let numbers = (input: input.take()?.release(), output: output.take()?.release())
    return await reactor.run {
      func end(_ number: FileDescriptor?, for interest: Interest) -> PipeEnd? {
        number.map { PipeEnd(OwnedDescriptor(adopting: $0), for: interest, on: reactor.loop) }
      }
      let channel = PipeChannel(
        reading: end(numbers.input, for: .read), writing: end(numbers.output, for: .write), driver: reactor.loop.driver)
      let connection = Connection(channel, peer: nil, origin: .adopted, on: reactor)
      if numbers.output == nil { unsafe connection.core.outputEnds = true }
      return connection
    }
  }
}
