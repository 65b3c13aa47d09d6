import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The pairs of sockets, and what is done with those that are ready: the same system calls as in C.
struct Work {
  /// The number of bytes written in one chain, besides those that start it.
  private static let chain = 1000

  let isChain: Bool
  private(set) var pairs: [(reader: FileDescriptor, writer: FileDescriptor)] = []
  private(set) var events = 0
  private(set) var sum = 0
  private let active: Int
  private var writesLeft = 0

  init(isChain: Bool, pairs count: Int, active: Int) throws {
    self.isChain = isChain
    self.active = active
    _ = try OpenFileLimit.raise()
    for _ in 0..<count {
      var ends: (Int32, Int32) = (-1, -1)
      let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      let result = withUnsafeMutableBytes(of: &ends) {
        socketpair(AF_UNIX, type, 0, $0.baseAddress?.assumingMemoryBound(to: Int32.self))
      }
      guard result == 0 else { throw Errno(rawValue: errno) }
      pairs.append((FileDescriptor(rawValue: ends.0), FileDescriptor(rawValue: ends.1)))
    }
  }

  /// Makes the active pairs readable; they are spread evenly.
  func start() {
    for index in 0..<active { put(index * (pairs.count / active)) }
  }

  /// Runs whole chains, or single turns.
  @inline(__always)
  mutating func repeated(_ times: Int, _ turn: (inout Work) throws -> Void) rethrows {
    for _ in 0..<times {
      guard isChain else {
        try turn(&self)
        continue
      }
      let end = events + active + Self.chain
      writesLeft = Self.chain
      start()
      while events < end { try turn(&self) }
    }
  }

  /// Handles a readable pair: in a chain, its byte is read, and one is written to the next pair.
  @inline(__always)
  mutating func found(_ index: Int) {
    sum += index
    events += 1
    if isChain { pass(index) }
  }

  /// Handles a pair in a chain that was reported once: all available bytes are read, and as many are written to the
  /// next pair.
  @inline(__always)
  mutating func foundAll(_ index: Int) {
    var bytes: [64 of UInt8] = .init(repeating: 0)
    let count = withUnsafeMutableBytes(of: &bytes) { recv(pairs[index].reader.rawValue, $0.baseAddress, $0.count, 0) }
    precondition(count >= 0 || errno == EAGAIN)
    for _ in 0..<max(0, count) {
      sum += index
      events += 1
      passOn(index)
    }
  }

  mutating func forget() {
    sum = 0
    events = 0
  }

  private mutating func pass(_ index: Int) {
    var byte: UInt8 = 0
    precondition(recv(pairs[index].reader.rawValue, &byte, 1, 0) == 1)
    passOn(index)
  }

  private mutating func passOn(_ index: Int) {
    guard writesLeft > 0 else { return }
    writesLeft -= 1
    put(index + 1 < pairs.count ? index + 1 : 0)
  }

  private func put(_ index: Int) {
    var byte: UInt8 = 0
    precondition(send(pairs[index].writer.rawValue, &byte, 1, 0) == 1)
  }
}
