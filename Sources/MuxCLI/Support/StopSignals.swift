import ArgumentParser
import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The signals that ask to stop, as input: SIGINT, SIGTERM and SIGHUP.
///
/// One request may come as several signals: `timeout` sends its own to the program and then to the program's group, and a
/// terminal that is closed sends SIGHUP after whatever was typed. What follows the first closely is part of it.
struct StopSignals: ~Copyable, Selectable {
  struct Request {
    let signal: Int32
    /// Those after the first ask to end at once.
    let isFirst: Bool
  }

  private static let grace = Duration.milliseconds(250)

  private let descriptor: SignalDescriptor
  private var firstAt: ContinuousClock.Instant?

  init() throws(MultiplexError) {
    // Who ignores it has been told to outlive its terminal (nohup); a descriptor would receive it all the same.
    descriptor = try SignalDescriptor([SIGINT, SIGTERM] + (Self.isIgnored(SIGHUP) ? [] : [SIGHUP]))
  }

  /// The status of a process that a signal ends at once, as a shell reports it. It does end, and no other signal is to
  /// give it another status on the way.
  static func end(by request: Request) -> ExitCode {
    ignore()
    return ExitCode(128 + request.signal)
  }

  /// Once the descriptor is closed, one that comes while the process ends would give it another status. To be called where
  /// nothing follows that may take long.
  static func ignore() {
    for number in [SIGINT, SIGTERM, SIGHUP] { _ = signal(number, SIG_IGN) }
  }

  var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

  /// Takes the next request that has arrived; nil if there is none.
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

  private static func isIgnored(_ number: Int32) -> Bool {
    // The only way to ask is to set it anew. Handlers are compared by their addresses; that to ignore is a small number.
    let handler = signal(number, SIG_IGN)
    _ = signal(number, handler)
    return unsafe unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
