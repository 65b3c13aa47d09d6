internal import Multiplex
internal import SystemPackage

/// A pipe through which bytes go from one socket to another within the kernel. Belongs to the thread of its event loop.
final class SplicePipe {
  /// In bytes. More would move little more in one call, and less has more calls.
  private static let wantedCapacity = 256 * 1024
  /// In bytes, where the kernel grants no more: it grants each user so much for all pipes.
  private static let leastCapacity = 4096

  /// How much it holds, in bytes.
  private let capacity: Int
  /// How many bytes are in it.
  private(set) var count = 0
  private let pipe: PipeDescriptors
  /// Whether the last drain sent something, but not all.
  private var wasShort = false

  init() throws(MultiplexError) {
    pipe = try PipeDescriptors()
    let granted = try? Kernel.setCapacity(ofPipe: pipe.writer.rawDescriptor, Self.wantedCapacity)
    capacity = granted ?? Self.leastCapacity
  }

  /// Takes bytes that have come to a socket. To be called while the pipe is empty.
  func fill(from socket: Int32) -> Spliced {
    do {
      count = try moved { () throws(Errno) in
        try Kernel.splice(fromSocket: socket, to: pipe.writer.rawDescriptor, capacity)
      }
    } catch {
      return .failure(error)
    }
    wasShort = false
    return count > 0 ? .bytes(count: count) : look(at: socket)
  }

  /// What a receive would find: a splice brings nothing before the end of input, or before out-of-band data, without saying
  /// which. A failure that has come in between is reported here, as the kernel reports it only once.
  private func look(at socket: Int32) -> Spliced {
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

  /// Sends from a socket as many of the bytes as there is room for.
  ///
  /// - Returns: How many. None may be for a reason that a send tells.
  func drain(to socket: Int32) throws(Errno) -> Int {
    do {
      let sent = try moved { () throws(Errno) in
        try Kernel.splice(fromPipe: pipe.reader.rawDescriptor, to: socket, count)
      }
      count -= sent
      wasShort = sent > 0 && count > 0
      return sent
    } catch {
      // A splice is several sends: the one before may have met the reset, and kept it to itself.
      throw error == .brokenPipe && wasShort ? .connectionReset : error
    }
  }

  /// Takes some of the bytes out by copying them.
  ///
  /// - Returns: How many; none only if there are none.
  func read(into memory: UnsafeMutableRawBufferPointer) -> Int {
    guard count > 0 else { return 0 }
    let read = (try? moved { () throws(Errno) in try unsafe Kernel.read(pipe.reader.rawDescriptor, memory) }) ?? 0
    count -= read
    return read
  }

  /// - Returns: How many bytes were moved; none also where a splice isn't to be had, be it that memory is short, or for the kind
  ///   of file, which says nothing of a peer.
  /// - Throws: What else the kernel says of a socket: it says that once.
  private func moved(_ body: () throws(Errno) -> Int) throws(Errno) -> Int {
    do {
      return try transfer(body) ?? 0
    } catch .invalidArgument, .noFunction, .notSupportedOnSocket, .noMemory, .notPermitted {
      return 0
    }
  }
}
