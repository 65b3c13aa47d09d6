internal import Multiplex
internal import SystemPackage

/// Bytes that go from one connection to another within the kernel: through a pipe, from which neither end copies them.
extension ConnectionCore {
  /// The result of a step of forwarding.
  enum Forwarded {
    /// So many bytes are sent, or queued.
    case moved(Int)
    /// Nothing has come yet.
    case nothing
    /// The bytes are to be read and written, as there is no pipe, or something else has come.
    case unfit
    /// Nothing comes any more.
    case refused(ConnectionError.Reason)
  }

  /// Whether so much comes that it is worth a pipe, and nothing that was read ahead has to go before it.
  var isBulky: Bool { channel.isBulky && lookahead.isEmpty }

  /// Moves what has come to another connection of the same reactor, which has nothing queued. What it has no room for is
  /// queued there.
  func forwardNow(to other: ConnectionCore) -> Forwarded {
    guard other.refusal == nil, other.unsentCount == 0, let pipe = driver.sparePipe.lend() else { return .unfit }
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
    // Where there is no room, an event will announce it. Not where the peer has gone: that was announced before, perhaps.
    flush()
  }

  /// Sends all that there is room for.
  ///
  /// - Returns: What has gone wrong.
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
    defer { unsafe driver.pool.give(back: buffer) }
    // The buffer is ours until it is given back.
    let memory = unsafe buffer.memory
    while true {
      let count = unsafe pipe.read(into: memory)
      guard count > 0 else { return }
      unsafe queue(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }
  }
}
