internal import CMultiplex
internal import SystemPackage

extension Poller.Backend {
  /// Linux's io_uring: requests and events pass through memory that is shared with the kernel, so that registrations
  /// and changes reach it with the next wait. Only a check whether the descriptor is open takes a call at once.
  ///
  /// - The kernel holds the registered files. If a borrowed descriptor is closed too early, its file stays open there
  ///   until a wait finds that out: a listener goes on taking connections, which nobody accepts, and a peer doesn't see
  ///   the end.
  /// - The kernel works for the thread that waits. If another thread then waits, or unregisters what was waited for,
  ///   all descriptors are registered with the kernel again: that takes time in proportion to their number, and reports
  ///   the edges of those that are ready once more. If it modifies, that happens with the next wait.
  public static let ioUring = Self(
    name: "io_uring", emulatedModes: [.level], summary: "cost grows with the ready descriptors",
    implementation: IOUringBackend.self)
}

/// Readiness from io_uring: see ``IOUringPolls``.
///
/// This class finds out what the kernel doesn't report: which files can't be waited for, and which descriptors were
/// closed.
final class IOUringBackend: ReadinessBackend {
  /// One value, so that each call accesses it once: more exclusivity checks would be noticeable in the cost of a wait.
  private var polls: IOUringPolls
  private var closed = ClosedDescriptors()
  /// Finds out which files can't be waited for: see `check`.
  private var epollProbe: Epoll?

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
    let found = closed.search(registry) { _ in true }
    guard !found.isEmpty else { return }
    for registration in found { _ = registry.report(registration.key, .invalid) }
    found.forEach(remove)
  }

  /// Refuses files that can't be waited for: poll requests accept any number, and fail later.
  ///
  /// A file that is always ready has no edges. Epoll refuses such files, so all but the usual kinds are tried with it.
  private func check(_ registration: Registration) throws(MultiplexError) {
    // A number that was closed may be one of this poller's own by now.
    guard registration.descriptor != polls.descriptor, registration.descriptor != epollProbe?.rawDescriptor else {
      throw notOpen(registration)
    }
    guard registration.mode == .edge else {
      try checkOpen(registration)
      return
    }
    let descriptor = FileDescriptor(rawValue: registration.descriptor)
    let mode = try calling("fstat", on: descriptor, Kernel.fileMode(registration.descriptor))
    let kind = Int32(bitPattern: mode) & S_IFMT
    if kind == S_IFSOCK || kind == S_IFIFO { return }
    if epollProbe == nil { epollProbe = try Epoll() }
    try epollProbe?.register(descriptor, for: [])
    try epollProbe?.unregister(descriptor)
  }
}
