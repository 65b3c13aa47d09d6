internal import Synchronization

extension Connection {
  /// More than any limit, and far from an overflow.
  private static let tooManyPosted = Int.max / 2

  /// Sends bytes without waiting, whoever serves the connection: what can't be sent at once is queued.
  ///
  ///     for member in room where member != speaker { member.post(line) }
  ///
  /// From any thread, also in a handler of chunks. Each post is sent whole; those of one thread stay in their order. The bytes
  /// count towards the high watermark, where writes wait.
  ///
  /// Memory stays bounded without a wait: a peer for which more than `limit` bytes wait already is cut off, as by ``abort()``,
  /// with ``CloseReason/fellBehind``. Neither that, nor that the connection is closed or ended already, is reported here:
  /// ``onClose(_:)`` does.
  ///
  /// - Parameters:
  ///   - bytes: What to send.
  ///   - limit: How many bytes may wait before this post, which may have any length; what was written counts too. With 0, a
  ///     post may only follow one that was sent whole. By default a mebibyte.
  public func post(_ bytes: [UInt8], limit: Int = 1 << 20) {
    if reactor.isCurrent { return unsafe core.post(bytes, limit: limit) }
    // What waits for the reactor is bounded too, but for one post of each thread.
    guard postedElsewhere.add(bytes.count, ordering: .relaxed).oldValue <= limit else {
      let wasSaid = postedElsewhere.exchange(Self.tooManyPosted, ordering: .relaxed) >= Self.tooManyPosted
      if !wasSaid { abort(because: .fellBehind) }
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
