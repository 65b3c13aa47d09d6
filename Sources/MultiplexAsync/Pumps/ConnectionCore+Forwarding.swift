internal import Multiplex
internal import SystemPackage

/// Moving bytes from one connection to another within the kernel: through a pipe, without copying them to this process.
extension ConnectionCore {
  /// The result of a step of forwarding.
  enum Forwarded {
    /// This many bytes were sent or queued.
    case moved(Int)
    /// Nothing has arrived yet.
    case nothing
    /// The bytes have to be read and written, as there is no pipe, or something other than bytes has arrived.
    case unfit
    /// No further input can be received.
    case refused(ConnectionError.Reason)
  }

  /// Whether enough data arrives for a pipe to be worthwhile, and no lookahead has to be forwarded first.
  var isBulky: Bool { channel.isBulky && lookahead.isEmpty }

  /// Moves received bytes to another connection of the same reactor, which has nothing queued. Bytes that there is no
  /// room for are queued there.
  func forwardNow(to other: ConnectionCore) -> Forwarded {
    guard other.refusal == nil, other.unsentCount == 0, let pipe = driver.sparePipe.emptyPipe() else { return .unfit }
    switch channel.splice(into: pipe) {
    case .nothing: return .nothing
    case .other: return .unfit
    case .failure(let errno): return .refused(noteBreakage(errno))
    case .bytes(let count):
      monitor?.received(count)
      other.send(from: pipe)
      return .moved(count)
    }
  }

  private func send(from pipe: SplicePipe) {
    let failure = spliceAll(from: pipe)
    guard pipe.count > 0 else { return }
    queue(from: pipe)
    if let failure {
      failOutput(failure)
      return
    }
    // If there is no room, an event will report it later. If the peer is gone, that may have been reported before.
    flush()
  }

  /// Sends what there is room for.
  ///
  /// - Returns: The error, if any.
  private func spliceAll(from pipe: SplicePipe) -> Errno? {
    while pipe.count > 0 {
      switch channel.splice(from: pipe) {
      case .failure(let errno): return errno
      case .success(0): return nil
      case .success(let sent): monitor?.sent(sent)
      }
    }
    return nil
  }

  private func queue(from pipe: SplicePipe) {
    let buffer = unsafe driver.pool.take()
    defer { unsafe driver.pool.recycle(buffer) }
    // The buffer is ours until it is recycled.
    let memory = unsafe buffer.memory
    while true {
      let count = unsafe pipe.read(into: memory)
      guard count > 0 else { return }
      unsafe queue(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }
  }
}
