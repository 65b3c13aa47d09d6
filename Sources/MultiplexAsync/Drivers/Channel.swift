internal import Multiplex
internal import SystemPackage

/// One connection, as a driver moves its bytes. Belongs to its event loop's thread.
protocol Channel: AnyObject {
  /// The descriptor, for options and addresses.
  var rawDescriptor: Int32 { get }

  /// Notified of the ends of waits. It is retained, and retains the channel, until ``close()``.
  var delegate: (any ChannelDelegate)? { get set }

  /// Receives into a buffer of the pool, without waiting.
  ///
  /// - Returns: nil if nothing has arrived yet, or other work has to run first.
  func receiveNow() -> Received?

  /// Receives into the caller's memory, without waiting.
  ///
  /// - Parameter memory: At least one byte.
  /// - Returns: As ``receiveNow()`` does.
  func receiveNow(into memory: UnsafeMutableRawBufferPointer) -> ReceivedDirectly?

  /// Notifies the delegate, once, when receiving should be tried again.
  ///
  /// Nothing is received in advance, so that many connections don't occupy as many buffers.
  func awaitInput()

  /// Cancels the wait for input: the delegate isn't notified of it any more.
  func cancelInput()

  /// Sends without waiting.
  ///
  /// - Returns: How many bytes were taken; 0 if there is no room.
  func sendNow(_ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno>

  /// Sends several pieces as if they were one, in order, without waiting.
  ///
  /// - Parameter pieces: At most 64.
  /// - Returns: How many bytes of all pieces the kernel has taken; 0 if there is no room.
  func sendNow(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Result<Int, Errno>

  /// Whether more data arrives than fits into a buffer, none of it received yet: then forwarding through a pipe is
  /// worthwhile.
  var isBulky: Bool { get }

  /// Moves received bytes into an empty pipe, without waiting. Call it only while ``isBulky``.
  func splice(into pipe: SplicePipe) -> Spliced

  /// Sends bytes from a pipe without waiting. Call it only while nothing else is waiting to be sent.
  ///
  /// - Returns: How many bytes were sent. If none, a send may report why.
  func splice(from pipe: SplicePipe) -> Result<Int, Errno>

  /// How many bytes it has accepted that are still to be sent.
  var unsentCount: Int { get }

  /// How many bytes the kernel holds that the peer has yet to take; zero if it doesn't tell.
  var heldCount: Int { get }

  /// How many bytes that it has accepted are lost, if it were closed now as well. Others are under way: if the kernel
  /// has no room for them, the channel resets the connection.
  var lostCount: Int { get }

  /// Whether small writes of one turn should be gathered, and sent by one call.
  var wantsGathering: Bool { get }

  /// Sends immediately what would go with the next submission. What remains then waits for the peer.
  func sendGathered()

  /// Why bytes that it has accepted couldn't be sent; nil if they were, or still may be.
  var sendFailure: Errno? { get }

  /// Whether ``take(_:)`` is worth a call.
  var takesChunks: Bool { get }

  /// Takes ownership of a chunk of the same reactor and sends it, without waiting or copying; or returns the chunk, if
  /// it has to be sent with ``sendNow(_:)-(UnsafeRawBufferPointer)`` or can't be sent.
  func take(_ chunk: consuming Chunk) -> Chunk?

  /// Notifies the delegate, once, when there may be room to send, or an error, or everything was sent.
  func awaitRoom()

  /// Signals the end of input to the peer.
  func shutdownOutput() -> Errno?

  /// Makes ``close()`` reset the connection, so that the peer gets an error instead of the end of input.
  func resetOnClose()

  /// Closes the descriptor, and releases the delegate.
  func close()
}

/// Defaults for drivers that have nothing better.
extension Channel {
  var unsentCount: Int { 0 }
  var heldCount: Int { (try? Kernel.sendQueueLength(rawDescriptor)) ?? 0 }
  var lostCount: Int { 0 }
  func sendGathered() {}
  var sendFailure: Errno? { nil }

  var takesChunks: Bool { false }
  func take(_ chunk: consuming Chunk) -> Chunk? { chunk }

  func receiveNow(into memory: UnsafeMutableRawBufferPointer) -> ReceivedDirectly? {
    receiveNow().map { .elsewhere($0) }
  }

  func sendNow(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Result<Int, Errno> {
    var sent = 0
    for index in pieces.indices {
      let piece = unsafe pieces[index]
      switch unsafe sendNow(piece) {
      case .success(let count):
        sent += count
        guard count == piece.count else { return .success(sent) }
      case .failure(let errno):
        // The sent bytes count; the next call reports the failure.
        return sent > 0 ? .success(sent) : .failure(errno)
      }
    }
    return .success(sent)
  }

  func resetOnClose() {
    // Unix sockets don't have this option.
    try? Kernel.resetOnClose(rawDescriptor)
  }

  func shutdownOutput() -> Errno? {
    do throws(Errno) {
      try Kernel.shutdown(rawDescriptor, ShutdownDirection.writing.rawValue)
      return nil
    } catch {
      return error
    }
  }
}
