internal import Multiplex
internal import SystemPackage

/// Sends that need no completion: see ``InlineSends``.
extension CompletionDriver {
  /// Sends what there is room for, with the next submission. The buffer is recycled when that is done; if only a part
  /// was sent, the channel gets it back.
  ///
  /// - Returns: The index of the send.
  func sendInline(_ buffer: PooledBuffer, _ range: Range<Int>, on channel: CompletionChannel) -> UInt32 {
    let index = unsafe inlineSends.append(buffer, range, of: channel.slot)
    unsafe submit(
      .send(
        on: channel.descriptor, buffer.bytes(range), waitsForRoom: false,
        token: RingOperation.inlineSend.token(of: index)
      ).skippingSuccess())
    return index
  }

  /// Submits everything gathered. An inline send of this batch is done when the call returns, unless there is a
  /// completion for it.
  ///
  /// - Returns: Whether it was done completely.
  func finishInlineSend(_ index: UInt32) -> Bool {
    guard backlog.isEmpty, (try? ring.submit()) != nil, ring.preparedCount == 0, !ring.isOverflowing else {
      return false
    }
    return !ring.hasCompletion(of: RingOperation.inlineSend.token(of: index))
  }

  func endInlineSend(_ completion: Ring.Completion) {
    let index = RingOperation.slot(of: completion.token)
    let send = unsafe submittedSends.isEmpty ? inlineSends.take(index) : submittedSends.take(index)
    guard let send = unsafe send else { return }
    // The channel exists until its batch has ended.
    guard let channel = unsafe handlers[send.slot] as? CompletionChannel else { return unsafe recycle(send.buffer) }
    unsafe channel.resumeSend(send.buffer, send.range, completion)
  }
}
