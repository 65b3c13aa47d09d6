internal import Synchronization

extension Connection {
  /// Larger than any limit, and far from an overflow.
  private static let tooManyPosted = Int.max / 2

  /// Sends bytes without waiting, to a connection served by any task or handler: what isn't sent at once is queued.
  /// Small posts are gathered as small writes are (``write(_:)-(Chunk)``).
  ///
  ///     for member in room where member != speaker { member.post(line) }
  ///
  /// Call it from any thread, also in a chunk handler. Each post is sent contiguously; those of one thread stay in
  /// order. The bytes count towards the high watermark, above which writes wait.
  ///
  /// Memory stays bounded: a connection with more than `limit` bytes queued is aborted with ``CloseReason/fellBehind``.
  /// This call doesn't report that, nor that the connection is already closed; ``onClose(_:)`` does. After
  /// ``closeWrite()``, posts are dropped.
  ///
  /// - Parameters:
  ///   - bytes: What to send.
  ///   - limit: How many bytes may be queued before this post, which may have any length; written bytes count too. With
  ///     0, everything before it must have been sent; with less, it never can. By default 1 MiB.
  public func post(_ bytes: [UInt8], limit: Int = 1 << 20) {
    if reactor.isCurrent { return unsafe core.post(bytes, limit: limit) }
    // What waits for the reactor is bounded too, except for one post per thread.
    guard postedElsewhere.add(bytes.count, ordering: .relaxed).oldValue <= limit else {
      let wasReported = postedElsewhere.exchange(Self.tooManyPosted, ordering: .relaxed) >= Self.tooManyPosted
      if !wasReported { abort(because: .fellBehind) }
      return
    }
    reactor.loop.perform { [self] in
      postedElsewhere.subtract(bytes.count, ordering: .relaxed)
      unsafe core.post(bytes, limit: limit)
    }
  }

  /// Sends any bytes, such as a slice, without waiting: see ``post(_:limit:)-([UInt8],_)``.
  public func post(_ bytes: some Sequence<UInt8>, limit: Int = 1 << 20) {
    post([UInt8](bytes), limit: limit)
  }

  /// Sends a text as UTF-8 without waiting: see ``post(_:limit:)-([UInt8],_)``.
  public func post(_ text: String, limit: Int = 1 << 20) {
    post([UInt8](text.utf8), limit: limit)
  }
}
