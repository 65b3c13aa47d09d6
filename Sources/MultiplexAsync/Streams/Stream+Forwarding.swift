internal import Multiplex

/// Bytes that go from one stream to another within the kernel: through a pipe, from which neither end copies them.
extension Stream {
  /// What a step of forwarding has come to.
  enum Forwarded {
    /// So many bytes were sent, all that were in the pipe.
    case moved(Int)
    /// There is no room for what is in the pipe.
    case stuck(SplicePipe)
    /// Nothing has come yet.
    case nothing
    /// The end of input, or why there is no more.
    case ended(ReadOutcome)
    /// The other stream can't be written to.
    case refused(ConnectionError.Reason)
  }

  /// Whether what comes is worth a pipe to another stream, and nothing has to go before it that was read or written.
  func isBulk(for other: Stream) -> Bool {
    channel.isBulky && readRefusal == nil && lookahead.isEmpty && other.refusal == nil && other.unsentCount == 0
  }

  /// Moves what has come to another stream of the same reactor; nil if there is no pipe.
  func forwardNow(to other: Stream) -> Forwarded? {
    guard let pipe = driver.pipes.take() else { return nil }
    switch channel.splice(into: pipe) {
    case .filled(let count):
      monitor?.received(count)
      return other.send(from: pipe)
    case .elsewhere(let received):
      driver.pipes.give(back: pipe)
      return .ended(outcome(of: received))
    case nil:
      driver.pipes.give(back: pipe)
      return .nothing
    }
  }

  /// Sends what is in a pipe, and gives it back once it is empty, or can't be sent any more.
  func send(from pipe: SplicePipe) -> Forwarded {
    while pipe.count > 0 {
      if let refusal { return giveUp(pipe, because: refusal) }
      // Others may have written meanwhile.
      guard unsentCount == 0 else { return .stuck(pipe) }
      switch channel.splice(from: pipe) {
      case .success(0): return .stuck(pipe)
      case .success(let sent): monitor?.sent(sent)
      case .failure(let errno): return giveUp(pipe, because: failOutput(errno))
      }
    }
    driver.pipes.give(back: pipe)
    return .moved(pipe.filledCount)
  }

  private func giveUp(_ pipe: SplicePipe, because reason: ConnectionError.Reason) -> Forwarded {
    driver.pipes.give(back: pipe)
    return .refused(reason)
  }

  /// Queues what is in a pipe, as if it had been written, and gives it back.
  func queue(from pipe: SplicePipe) {
    guard refusal == nil else { return driver.pipes.give(back: pipe) }
    let buffer = unsafe driver.pool.take()
    // The buffer is ours until it is given back.
    let memory = unsafe UnsafeMutableRawBufferPointer(start: buffer.start, count: buffer.capacity)
    while let count = unsafe pipe.read(into: memory) {
      unsafe queue(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }
    unsafe driver.pool.give(back: buffer)
    driver.pipes.give(back: pipe)
  }
}
