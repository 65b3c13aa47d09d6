/// What a handler of chunks answers: see ``Connection/forEachChunk(_:)``.
///
/// Bytes are sent, or queued behind those that wait, at once; nothing is waited for. Once the handler has returned, no more
/// is read while the queue is above the high watermark.
public struct Replies: ~Copyable {
  private let core: ConnectionCore
  let reactor: Reactor
  /// What is left of the writes.
  private(set) var rest: UnfinishedWrite?
  private(set) var isEnded = false

  /// They are lent to handlers, and so are used on the reactor's thread alone.
  init(to core: ConnectionCore, on reactor: Reactor) {
    self.core = core
    self.reactor = reactor
  }

  /// Sends a chunk, and returns its buffer.
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

  /// Sends bytes of the caller's memory, of which only what can't be sent at once is copied.
  public mutating func write(_ bytes: RawSpan) {
    // The memory is lent for the time of the call.
    note(unsafe bytes.withUnsafeBytes { unsafe core.write($0) })
  }

  /// Sends several pieces as if they were one: see ``Connection/write(vectored:)``.
  public mutating func write(vectored pieces: [[UInt8]]) {
    note(core.write(pieces))
  }

  /// Asks for no more: this chunk is the last one.
  public mutating func end() {
    isEnded = true
  }

  /// Forgets what the last chunk was answered.
  mutating func beginNext() {
    rest = nil
  }

  private mutating func note(_ rest: UnfinishedWrite?) {
    if let rest { self.rest = rest }
  }
}
