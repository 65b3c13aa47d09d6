public import Multiplex
internal import SystemPackage

extension Reactor {
  /// Suspends the calling task until a descriptor is ready: a C library's socket, a pipe, inotify, a serial port.
  ///
  ///     let readiness = try await reactor.readiness(of: FileDescriptor(rawValue: number), for: .read | .priority)
  ///
  /// `FileDescriptor` is swift-system's (`import SystemPackage`).
  ///
  /// The descriptor is borrowed: keep it open until this returns; it may be closed afterwards without notice. Several
  /// tasks may wait for one descriptor, each with its own interest. It must not be a ``Connection``'s.
  ///
  /// - Returns: What it is ready for; never empty. Files that are always ready, such as regular files and /dev/null,
  ///   are ready immediately, on every backend.
  /// - Throws: `CancellationError`, immediately if the task is cancelled; `MultiplexError`, for a descriptor that isn't
  ///   open, and on epoll for a file that can't have priority data, if nothing else is waited for: on the other
  ///   backends, that wait only ends when it is cancelled, or the file closed.
  public func readiness(
    of descriptor: borrowing some Selectable & ~Copyable, for interest: Interest
  ) async throws -> Readiness {
    let fd = descriptor.rawDescriptor
    try descriptor.requireNumber(for: "readiness")
    do {
      return try await outcome { loop, body in try loop.driver.awaitReadiness(of: fd, for: interest, body) }
    } catch let error as MultiplexError where error.reason == .notPollable {
      // Epoll refuses files that are always ready, instead of reporting them ready as the other backends do.
      let ready: Readiness = [interest.contains(.read) ? .readable : [], interest.contains(.write) ? .writable : []]
      guard !ready.isEmpty else { throw error }
      return ready
    }
  }

  /// Ends the waits for descriptors that were closed meanwhile, with `Readiness.invalid`: a busy reactor may not find
  /// them. From any thread.
  package func endReadinessOfClosed() {
    onLoop { self.loop.driver.endWaitsOfClosed() }
  }
}
