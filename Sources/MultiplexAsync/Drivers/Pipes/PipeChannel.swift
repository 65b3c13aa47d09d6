internal import Multiplex
internal import SystemPackage

/// A connection of pipes, terminals or other files, of which one is read and another written, on any driver: each call
/// is tried first, and waited for only if it would block.
final class PipeChannel: Channel {
  private let driver: any Driver
  private var input: PipeEnd?
  private var output: PipeEnd?
  var delegate: (any ChannelDelegate)?
  /// How many reads may follow before others get their turn.
  private var readsLeft = readsPerTurn
  private static let readsPerTurn = 16
  /// Whether the last read found nothing.
  private var isEmpty = false

  /// - Parameters:
  ///   - input: What to read from, non-blocking; nil for nothing.
  ///   - output: What to write to, non-blocking; nil for nothing.
  init(reading input: PipeEnd?, writing output: PipeEnd?, driver: any Driver) {
    self.input = input
    self.output = output
    self.driver = driver
  }

  var rawDescriptor: Int32 { (input ?? output)?.rawDescriptor ?? noDescriptor }

  // MARK: Reading

  func receiveNow() -> Received? {
    guard let input else { return .endOfInput }
    guard readsLeft > 0 else { return nil }
    readsLeft -= 1
    let buffer = unsafe driver.pool.take()
    let result = Result { () throws(Errno) in
      // The buffer is ours until it is returned.
      try transfer { () throws(Errno) in try unsafe Kernel.read(input.rawDescriptor, buffer.memory) }
    }
    if case .success(let count?) = result, count > 0 { return unsafe .bytes(buffer, count: count) }
    unsafe driver.pool.recycle(buffer)
    switch result {
    case .success(nil):
      isEmpty = true
      return nil
    case .success: return .endOfInput
    case .failure(let errno): return .failure(errno)
    }
  }

  func awaitInput() {
    if isEmpty { input?.awaitReadiness(hasInput) } else { input?.awaitNextTurn(hasInput) }
  }

  private func hasInput() {
    isEmpty = false
    readsLeft = Self.readsPerTurn
    delegate?.channelHasInput()
  }

  func cancelInput() {
    input?.cancel()
  }

  var isBulky: Bool { false }

  func splice(into pipe: SplicePipe) -> Spliced { .other }

  // MARK: Writing

  /// Each write should be one call: others may write to the same pipe, whose lines must not be torn apart, or to a device
  /// for which each is a message.
  var wantsGathering: Bool { false }

  func sendNow(_ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno> {
    guard let output else { return .failure(.badFileDescriptor) }
    return Result { () throws(Errno) in
      try transfer { () throws(Errno) in try unsafe Kernel.writeQuietly(output.rawDescriptor, bytes) } ?? 0
    }
  }

  var heldCount: Int {
    guard let fd = output?.rawDescriptor else { return 0 }
    // A socket or a terminal, or else a pipe.
    return (try? Kernel.sendQueueLength(fd)) ?? (try? Kernel.unreadCount(ofPipe: fd)) ?? 0
  }

  func splice(from pipe: SplicePipe) -> Result<Int, Errno> {
    guard let output else { return .failure(.badFileDescriptor) }
    return Result { () throws(Errno) in try pipe.drain(to: output.rawDescriptor) }
  }

  func awaitRoom() {
    output?.awaitReadiness { [weak self] in self?.delegate?.channelHasRoom() }
  }

  /// Closes the output: that is how the other end of a pipe learns that nothing follows.
  func shutdownOutput() -> Errno? {
    output?.cancel()
    driver.flushCancellations()
    output = nil
    return nil
  }

  // MARK: Closing

  /// Whoever reads a pipe can't be told that something is missing.
  func resetOnClose() {}

  func close() {
    delegate = nil
    input?.cancel()
    output?.cancel()
    driver.flushCancellations()
    input = nil
    output = nil
  }
}
