internal import Multiplex
internal import SystemPackage

/// A pipe through which bytes go from one socket to another within the kernel. Belongs to the thread of its event loop.
final class SplicePipe {
  /// In bytes. More would move little more in one call, and less has more calls.
  private static let wantedCapacity = 256 * 1024

  /// How much it holds, in bytes.
  let capacity: Int
  /// How many bytes are in it.
  private(set) var count = 0
  /// How many it was filled with.
  private(set) var filledCount = 0
  private let pipe: Pipe

  init() throws(MultiplexError) {
    pipe = try Pipe()
    // The kernel grants each user so much for all pipes; what is beyond that has little room, and does.
    capacity = (try? Kernel.setCapacity(ofPipe: pipe.writer.rawDescriptor, Self.wantedCapacity)) ?? 4096
  }

  /// Takes bytes that have come to a socket. To be called while the pipe is empty.
  ///
  /// - Returns: How many: 0 at the end of input; nil if nothing has come.
  func fill(from socket: Int32) throws(Errno) -> Int? {
    let taken = try transfer { () throws(Errno) in
      try Kernel.splice(from: socket, to: pipe.writer.rawDescriptor, capacity)
    }
    filledCount = taken ?? 0
    count = filledCount
    return taken
  }

  /// Sends from a socket as many of the bytes as there is room for.
  ///
  /// - Returns: How many; nil if there is no room.
  func drain(to socket: Int32) throws(Errno) -> Int? {
    let sent = try transfer { () throws(Errno) in
      try Kernel.splice(from: pipe.reader.rawDescriptor, to: socket, count)
    }
    count -= sent ?? 0
    return sent
  }

  /// Takes some of the bytes out by copying them; nil if there are none.
  func read(into memory: UnsafeMutableRawBufferPointer) -> Int? {
    guard count > 0 else { return nil }
    let read = try? transfer { () throws(Errno) in try unsafe Kernel.read(pipe.reader.rawDescriptor, memory) }
    guard let taken = read ?? nil, taken > 0 else { return nil }
    count -= taken
    return taken
  }
}
