import ArgumentParser
import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The signals that ask the process to stop, read from a descriptor: SIGINT, SIGTERM and SIGHUP.
///
/// One request may arrive as several signals: `timeout` signals the program and then the program's group, and a
/// terminal that is closed sends SIGHUP after the signal of a key. Signals that follow the first closely are part of
/// the same request.
struct StopSignals: ~Copyable, Selectable {
  struct Request {
    let signal: Int32
    /// Whether this is the first request. Later ones ask the process to end at once.
    let isFirst: Bool
  }

  private static let grace = Duration.milliseconds(250)

  private let descriptor: SignalDescriptor
  private var firstAt: ContinuousClock.Instant?

  init() throws(MultiplexError) {
    // A process that ignores SIGHUP is meant to outlive its terminal (nohup), and one that ignores SIGINT was started
    // in the background by a script; a descriptor would receive them regardless.
    descriptor = try SignalDescriptor([SIGTERM] + [SIGINT, SIGHUP].filter { !Self.isIgnored($0) })
  }

  /// Returns the exit status of a process that a signal ends at once, as a shell reports it. From here on, signals are
  /// ignored, so that none changes the status.
  static func end(by request: Request) -> ExitCode {
    ignore()
    return ExitCode(128 + request.signal)
  }

  /// Ignores the signals. Once the descriptor is closed, a signal that arrives while the process ends would change its
  /// status. To be called only if nothing that follows takes long.
  static func ignore() {
    for number in [SIGINT, SIGTERM, SIGHUP] { _ = signal(number, SIG_IGN) }
  }

  var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

  /// Returns the next request that has arrived; nil if there is none.
  mutating func next() throws(MultiplexError) -> Request? {
    while let signal = try descriptor.next() {
      guard let firstAt else {
        self.firstAt = .now
        return Request(signal: signal, isFirst: true)
      }
      if .now - firstAt > Self.grace { return Request(signal: signal, isFirst: false) }
    }
    return nil
  }

  /// Waits until no signal can belong to the first request any more, if there was one: such a signal would end the
  /// process by default, as soon as this has ended.
  mutating func settle() throws(MultiplexError) {
    while let firstAt {
      let remaining = Self.grace - (.now - firstAt)
      guard remaining > .zero else { return }
      _ = try select(reading: [fileDescriptor], timeout: remaining)
      _ = try next()
    }
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    // The only way to get the handler is to set another. Handlers are compared by address; SIG_IGN is a small number.
    let handler = signal(number, SIG_IGN)
    _ = signal(number, handler)
    return unsafe unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
