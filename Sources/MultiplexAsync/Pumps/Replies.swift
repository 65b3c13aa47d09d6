/// The answers of a chunk handler: see ``ChunkHandler`` and ``Connection/forEachChunk(_:)``.
///
/// Nothing waits: bytes are sent, or queued. Small writes of one turn are gathered, as those of a task are
/// (``Connection/write(_:)-(Chunk)``). Once the handler has returned, nothing more is read while the queue is above the
/// high watermark.
public struct Replies: ~Copyable {
  private let core: ConnectionCore
  let reactor: Reactor
  /// The remainder of the writes.
  private(set) var remainder: UnfinishedWrite?
  private(set) var isEnded = false

  /// Replies are passed only to handlers, and so used only on the reactor's thread.
  init(to core: ConnectionCore, on reactor: Reactor) {
    self.core = core
    self.reactor = reactor
  }

  /// Sends a chunk, and recycles its buffer.
  public mutating func write(_ chunk: consuming Chunk) {
    note(core.write(chunk, on: reactor))
  }

  /// Sends bytes.
  public mutating func write(_ bytes: [UInt8]) {
    note(unsafe bytes.withUnsafeBytes { unsafe core.write($0) })
  }

  /// Sends a text as UTF-8.
  public mutating func write(_ text: String) {
    write([UInt8](text.utf8))
  }

  /// Sends any bytes: a slice, or the `utf8` of a text.
  public mutating func write(_ bytes: some Sequence<UInt8>) {
    write([UInt8](bytes))
  }

  /// Sends bytes of the caller's memory. Only bytes that aren't sent at once are copied.
  public mutating func write(_ bytes: RawSpan) {
    // The memory is valid during the call.
    note(unsafe bytes.withUnsafeBytes { unsafe core.write($0) })
  }

  /// Sends bytes of the caller's memory, such as a part of a chunk: see ``write(_:)-(RawSpan)``.
  public mutating func write(_ bytes: Span<UInt8>) {
    // Any byte is initialized.
    write(unsafe bytes.bytes)
  }

  /// Sends several pieces as if they were one: see ``Connection/write(vectored:)``.
  public mutating func write(vectored pieces: [[UInt8]]) {
    note(core.write(pieces))
  }

  /// Stops reading: this chunk is the last one. What is written before the handler returns is still sent.
  public mutating func end() {
    isEnded = true
  }

  /// Forgets the remainder of the last chunk's answer.
  mutating func beginNext() {
    remainder = nil
  }

  private mutating func note(_ remainder: UnfinishedWrite?) {
    if let remainder { self.remainder = remainder }
  }
}
