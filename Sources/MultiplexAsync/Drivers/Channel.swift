internal import Multiplex
internal import SystemPackage

/// The bytes of one connection, as a driver moves them. Belongs to the thread of its event loop.
protocol Channel: AnyObject {
  /// The descriptor, for options and addresses.
  var rawDescriptor: Int32 { get }

  /// Who is told of the ends of waits. It is kept, and keeps the channel, until ``close()``.
  var delegate: (any ChannelDelegate)? { get set }

  /// Receives into a buffer of the pool, without waiting.
  ///
  /// - Returns: nil if nothing has come yet, or it is to yield to other work first.
  func receiveNow() -> Received?

  /// Receives into memory of the caller's, without waiting.
  ///
  /// - Parameter memory: At least one byte.
  /// - Returns: As ``receiveNow()`` does.
  func receiveNow(into memory: UnsafeMutableRawBufferPointer) -> ReceivedDirectly?

  /// Tells the delegate, once, when receiving should be tried again.
  ///
  /// Nothing is received in advance, so that the bytes of many connections don't lie in as many buffers.
  func awaitInput()

  /// Forgets the wait for input: the delegate isn't told of it any more.
  func cancelInput()

  /// Sends without waiting.
  ///
  /// - Returns: How many bytes were taken: none if there is no room.
  func sendNow(_ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno>

  /// Sends several pieces as if they were one, in their order, without waiting.
  ///
  /// - Parameter pieces: At most 64.
  /// - Returns: How many bytes of them all the kernel has taken: none if there is no room.
  func sendNow(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Result<Int, Errno>

  /// Whether more comes than fits into a buffer, and none of it was received yet: worth a pipe, where it is forwarded.
  var isBulky: Bool { get }

  /// Moves bytes that have come into an empty pipe, without waiting. To be called while it is bulky.
  func splice(into pipe: SplicePipe) -> Spliced

  /// Sends bytes from a pipe without waiting. To be called while nothing else is to be sent.
  ///
  /// - Returns: How many bytes were sent. None may be for a reason that a send tells.
  func splice(from pipe: SplicePipe) -> Result<Int, Errno>

  /// How many bytes it has taken over, that are still to be sent.
  var unsentCount: Int { get }

  /// Whether some of them are lost when it is closed now. The others are on their way: should the kernel have no room for
  /// them, the channel resets the connection.
  var losesOnClose: Bool { get }

  /// Sends now what would go with the next submission. What is left then waits for the peer.
  func sendGathered()

  /// Why bytes that it has taken over were not sent; nil if they were, or are still to be.
  var sendFailure: Errno? { get }

  /// Whether ``take(_:)`` is worth a call.
  var takesChunks: Bool { get }

  /// Takes a chunk of the same reactor over and sends it, without waiting and without copying it; or returns it, where
  /// it can only send now or not at all.
  func take(_ chunk: consuming Chunk) -> Chunk?

  /// Tells the delegate, once, when there may be room to send, or an error, or everything was sent.
  func awaitRoom()

  /// Tells the peer that nothing more comes.
  func shutdownOutput() -> Errno?

  /// Has ``close()`` reset the connection, so that the peer gets an error in place of the end.
  func resetOnClose()

  /// Closes the descriptor, and forgets the delegate.
  func close()
}

/// For drivers that have nothing better than their other calls.
extension Channel {
  var unsentCount: Int { 0 }
  var losesOnClose: Bool { false }
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
        // What has been sent counts; the next call tells of the failure.
        return sent > 0 ? .success(sent) : .failure(errno)
      }
    }
    return .success(sent)
  }

  func resetOnClose() {
    // Unix sockets know nothing of the kind.
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
