internal import Multiplex

/// Reading into memory of the caller's, and writing from it.
extension Connection {
  /// Takes what comes next, as much as there is and the memory holds, and puts it at the memory's beginning.
  ///
  ///     var bytes = [UInt8](repeating: 0, count: 4096)
  ///     var span = bytes.mutableSpan
  ///     var memory = unsafe span.mutableBytes // any bytes are valid bytes
  ///     while let count = try await connection.read(into: &memory) { ... }
  ///
  /// For a task that the reactor runs, the kernel writes straight into the memory. Any other gets a copy, as does one on a
  /// driver that has received the bytes before they were asked for.
  ///
  /// - Returns: The number of bytes, at least 1 unless the memory is empty; nil when the peer has finished sending.
  /// - Throws: As ``read()`` does. No byte is lost then.
  public func read(into memory: inout MutableRawSpan) async throws(ConnectionError) -> Int? {
    guard memory.byteCount > 0 else { return 0 }
    while true {
      if reactor.isCurrent, let outcome = unsafe memory.withUnsafeMutableBytes({ unsafe stream.readNow(into: $0) }) {
        switch outcome {
        case .filled(let count): return count
        case .endOfInput: return nil
        case .refused(let reason): throw failure(reason, during: .read)
        }
      }
      // Memory can't be lent to another task.
      guard reactor.isPreferred else { return try await readThere(into: &memory) }
      if let reason = await awaitInput(unsafe stream.makeWaitID()) { throw failure(reason, during: .read) }
    }
  }

  private func readThere(into memory: inout MutableRawSpan) async throws(ConnectionError) -> Int? {
    let room = memory.byteCount
    let bytes = try await here { () async throws(ConnectionError) in
      try await self.takeHere { queue in queue.isEmpty ? nil : min(queue.count, room) }
    }
    guard let bytes else { return nil }
    unsafe memory.withUnsafeMutableBytes { unsafe $0.copyBytes(from: bytes) }
    return bytes.count
  }

  /// Sends bytes of the caller's memory, of which only what can't be sent at once is copied; for a task that the reactor
  /// doesn't run, all of them.
  ///
  /// Returns when they are sent or queued, and the queue is not above the high watermark.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  @inlinable
  public func write(_ bytes: RawSpan) async throws(ConnectionError) {
    if let rest = begin(bytes) { try await finish(rest) }
  }

  @usableFromInline
  func begin(_ bytes: RawSpan) -> UnfinishedWrite? {
    // The memory is lent for the time of the call; the array copies.
    unsafe bytes.withUnsafeBytes { bytes in
      guard reactor.isCurrent else { return .elsewhere([unsafe [UInt8](bytes)]) }
      return .here(after: unsafe stream.write(bytes))
    }
  }

  /// Sends several pieces as if they were one: in their order, with nothing of another task's between them, in one system
  /// call for each 64 of them. A header and a body needn't be put together for that.
  ///
  /// Returns when they are sent or queued, and the queue is not above the high watermark. What can't be sent at once is
  /// copied.
  ///
  /// Corresponding C function: `sendmsg`; `writev` is the same without flags.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  @inlinable
  public func write(vectored pieces: [[UInt8]]) async throws(ConnectionError) {
    if let rest = begin(pieces) { try await finish(rest) }
  }

  @usableFromInline
  func begin(_ pieces: [[UInt8]]) -> UnfinishedWrite? {
    guard reactor.isCurrent else { return .elsewhere(pieces) }
    return .here(after: unsafe stream.write(pieces))
  }
}
