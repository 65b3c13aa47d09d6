internal import Multiplex
internal import SystemPackage

/// A pipe through which bytes move from one socket to another within the kernel. Belongs to its event loop's thread.
final class SplicePipe {
  /// In bytes. A larger pipe would hardly move more per call, and a smaller one needs more calls.
  private static let wantedCapacity = 256 * 1024
  /// In bytes, for when the kernel doesn't grant more: it limits the memory of all of a user's pipes.
  private static let minimumCapacity = 4096

  /// In bytes.
  private let capacity: Int
  /// How many bytes are in it.
  private(set) var count = 0
  private let pipe: PipeDescriptors
  /// Whether the last drain sent only a part.
  private var wasShort = false

  init() throws(MultiplexError) {
    pipe = try PipeDescriptors()
    let granted = try? Kernel.setCapacity(ofPipe: pipe.writer.rawDescriptor, Self.wantedCapacity)
    capacity = granted ?? Self.minimumCapacity
  }

  /// Moves received bytes from a socket into the pipe. Call it only while the pipe is empty.
  func fill(from socket: Int32) -> Spliced {
    do {
      count = try moved { () throws(Errno) in
        try Kernel.splice(fromSocket: socket, to: pipe.writer.rawDescriptor, capacity)
      }
    } catch {
      return .failure(error)
    }
    wasShort = false
    return count > 0 ? .bytes(count: count) : peek(at: socket)
  }

  /// Finds out what a receive would return: a splice moves nothing before the end of input or before out-of-band data,
  /// without saying which. An error that has occurred meanwhile is returned, as the kernel reports it only once.
  private func peek(at socket: Int32) -> Spliced {
    var byte: UInt8 = 0
    do {
      let peeked = try transfer { () throws(Errno) in
        try unsafe withUnsafeMutableBytes(of: &byte) { bytes throws(Errno) in
          try unsafe Kernel.receive(socket, bytes, flags: Kernel.peek | Kernel.dontWait)
        }
      }
      return peeked == nil ? .nothing : .other
    } catch {
      return .failure(error)
    }
  }

  /// Sends as many of the bytes on a socket as there is room for.
  ///
  /// - Returns: How many. If none, a send may report why.
  func drain(to socket: Int32) throws(Errno) -> Int {
    do {
      let sent = try moved { () throws(Errno) in
        try Kernel.splice(fromPipe: pipe.reader.rawDescriptor, to: socket, count)
      }
      count -= sent
      wasShort = sent > 0 && count > 0
      return sent
    } catch {
      // One splice is several sends: an earlier one may have met the reset and not reported it.
      throw error == .brokenPipe && wasShort ? .connectionReset : error
    }
  }

  /// Removes some of the bytes by copying them.
  ///
  /// - Returns: How many; 0 only if there are none.
  func read(into memory: UnsafeMutableRawBufferPointer) -> Int {
    guard count > 0 else { return 0 }
    let read = (try? moved { () throws(Errno) in try unsafe Kernel.read(pipe.reader.rawDescriptor, memory) }) ?? 0
    count -= read
    return read
  }

  /// - Returns: How many bytes were moved; 0 also if splicing isn't possible, for lack of memory or for this kind of
  ///   file, which says nothing about the peer.
  /// - Throws: Any other error of a socket: the kernel reports it only once.
  private func moved(_ body: () throws(Errno) -> Int) throws(Errno) -> Int {
    do {
      return try transfer(body) ?? 0
    } catch .invalidArgument, .noFunction, .notSupportedOnSocket, .noMemory, .notPermitted {
      return 0
    }
  }
}
