internal import CMultiplex
internal import SystemPackage

extension Poller.Backend {
  /// Linux's io_uring: what is to be watched and what has happened pass through memory that is shared with the kernel, so
  /// that registering and modifying have no call of their own.
  ///
  /// - What is registered is held by the kernel. A lent descriptor that is closed too early stays open there until a wait
  ///   finds that out: a listener goes on taking connections, which nobody accepts, and a peer doesn't see the end.
  /// - The kernel works for the thread that waits. Where another thread waits then, or unregisters or modifies, all descriptors
  ///   are given to the kernel anew: time in proportion to their number, and edges of those that are ready once more.
  public static let ioUring = Self(
    name: "io_uring", emulatedModes: [.level], summary: "cost grows with the ready descriptors",
    implementation: IOUringBackend.self)
}

/// Readiness from io_uring: see ``IOUringPolls``.
///
/// This class sees to what the kernel doesn't tell: which files can't be waited for, and that descriptors were closed.
final class IOUringBackend: ReadinessBackend {
  /// One value, so that each call accesses it once; the checks of exclusivity would show among the costs of a wait.
  private var polls: IOUringPolls
  private var closed = ClosedDescriptors()
  /// Finds out which files can't be waited for: see `check`.
  private var judge: Epoll?

  init() throws(MultiplexError) {
    polls = try IOUringPolls()
  }

  deinit {
    polls.cancelAll()
  }

  func add(_ registration: Registration) throws(MultiplexError) {
    try check(registration)
    polls.add(registration.descriptor)
  }

  func modify(_ registration: Registration, replacing previous: Registration) throws(MultiplexError) {
    do {
      try check(registration)
    } catch let error where error.reason == .notPollable && previous.mode == .edge {
      throw .replaced(error)
    }
    try polls.replace(registration.descriptor)
  }

  func remove(_ registration: Registration) {
    polls.remove(registration.descriptor)
  }

  func wait(timeout: Duration?, registry: inout Registry) throws(MultiplexError) {
    try polls.wait(timeout: timeout, registry: &registry)
    guard !registry.hasFound, timeout != .zero else { return }
    let found = closed.search(registry.registrations)
    guard !found.isEmpty else { return }
    for registration in found { _ = registry.report(registration.key, .invalid) }
    found.forEach(remove)
  }

  /// Refuses what can't be waited for, as poll requests take any number and complain about it later.
  ///
  /// A file that is always ready has no edges. Epoll refuses such files, and is asked about all but the usual kinds.
  private func check(_ registration: Registration) throws(MultiplexError) {
    guard registration.descriptor != polls.descriptor else { throw notOpen(registration) }
    guard registration.mode == .edge else {
      try checkOpen(registration)
      return
    }
    let descriptor = FileDescriptor(rawValue: registration.descriptor)
    do {
      let kind = try Int32(bitPattern: Kernel.fileMode(registration.descriptor)) & S_IFMT
      if kind == S_IFSOCK || kind == S_IFIFO { return }
    } catch {
      throw MultiplexError(call: "fstat", descriptor: descriptor, errno: error)
    }
    if judge == nil { judge = try Epoll() }
    try judge?.register(descriptor, for: [])
    try judge?.unregister(descriptor)
  }
}
