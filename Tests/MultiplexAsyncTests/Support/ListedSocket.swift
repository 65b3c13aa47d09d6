import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A TCP socket over IPv4, as the kernel lists it on request, by port: see `sock_diag(7)`.
///
/// `/proc/net/tcp` has the same information, but also a line for each connection that TCP still remembers. After some
/// thousands of short ones, reading it takes seconds on a thread of the tests' pool. There are few such threads, so all
/// other tests would stall.
struct ListedSocket {
  /// Its own port.
  let port: UInt16
  /// Whether some process has it open.
  let isHeld: Bool

  /// The states of a connection, as bits (`1 << TCP_ESTABLISHED` and so on).
  struct States: OptionSet {
    let rawValue: UInt32

    static let sendingRequest = States(rawValue: 1 << 2)
    /// Connections that have ended, and belong to nobody.
    static let remembered = States(rawValue: 1 << 6)
    static let open = States(rawValue: 0xfff).subtracting(.remembered)
  }

  /// Lists the sockets of all processes.
  ///
  /// - Parameters:
  ///   - port: On their own side; nil for any.
  ///   - otherPort: On the other side; nil for any.
  static func all(in states: States = .open, port: UInt16? = nil, otherPort: UInt16? = nil) throws -> [ListedSocket] {
    let socket = OwnedDescriptor(
      adopting: FileDescriptor(rawValue: Self.socket(Layout.family, Layout.raw, Layout.diagnosis)))
    let request = Layout.request(states, port: port ?? 0, otherPort: otherPort ?? 0)
    guard send(request, to: socket) == request.count else { throw NoAnswer() }
    var sockets: [ListedSocket] = []
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let count = receive(into: &buffer, from: socket)
      guard count > 0 else { throw NoAnswer() }
      guard try Layout.forEachAnswer(in: buffer[..<count], { sockets.append($0) }) else { return sockets }
    }
  }

  private static func socket(_ family: Int32, _ type: Int32, _ number: Int32) -> Int32 {
    #if canImport(Glibc)
      Glibc.socket(family, type | cloexec, number)
    #else
      Musl.socket(family, type | cloexec, number)
    #endif
  }

  private static let cloexec: Int32 = 0o2000000  // SOCK_CLOEXEC

  private static func send(_ bytes: [UInt8], to socket: borrowing OwnedDescriptor) -> Int {
    let fd = socket.fileDescriptor.rawValue
    return unsafe bytes.withUnsafeBytes { unsafe write(fd, $0.baseAddress, $0.count) }
  }

  private static func receive(into buffer: inout [UInt8], from socket: borrowing OwnedDescriptor) -> Int {
    let fd = socket.fileDescriptor.rawValue
    return unsafe buffer.withUnsafeMutableBytes { unsafe read(fd, $0.baseAddress, $0.count) }
  }

  /// The kernel can't list sockets, or doesn't allow it.
  struct NoAnswer: Error {}
}

/// What is sent and received: `nlmsghdr`, then `inet_diag_req_v2` or `inet_diag_msg`. Ports are in network byte order,
/// all other numbers in the machine's.
private enum Layout {
  static let family: Int32 = 16  // AF_NETLINK
  static let raw: Int32 = 3  // SOCK_RAW
  static let diagnosis: Int32 = 4  // NETLINK_SOCK_DIAG

  private static let header = 16
  private static let typeOffset = 4
  private static let answer: UInt16 = 20  // SOCK_DIAG_BY_FAMILY
  private static let done: UInt16 = 3  // NLMSG_DONE
  private static let portOffset = header + 4
  private static let inodeOffset = header + 68

  static func request(_ states: ListedSocket.States, port: UInt16, otherPort: UInt16) -> [UInt8] {
    var bytes: [UInt8] = []
    func add(_ number: some FixedWidthInteger) {
      unsafe withUnsafeBytes(of: number) { unsafe bytes.append(contentsOf: $0) }
    }
    add(UInt32(72))
    add(answer)
    add(UInt16(0x301))  // NLM_F_REQUEST | NLM_F_DUMP
    add(UInt64(0))
    add(UInt8(2))  // AF_INET
    add(UInt8(6))  // IPPROTO_TCP
    add(UInt16(0))
    add(states.rawValue)
    add(port.bigEndian)
    add(otherPort.bigEndian)
    return bytes + [UInt8](repeating: 0, count: 72 - bytes.count)
  }

  /// - Returns: Whether more answers follow.
  static func forEachAnswer(in bytes: ArraySlice<UInt8>, _ body: (ListedSocket) -> Void) throws -> Bool {
    var rest = bytes
    while rest.count >= header {
      let length = Int(number(in: rest, at: 0, as: UInt32.self))
      guard (header...rest.count).contains(length) else { throw ListedSocket.NoAnswer() }
      switch number(in: rest, at: typeOffset, as: UInt16.self) {
      case done: return false
      case answer:
        body(
          ListedSocket(
            port: UInt16(bigEndian: number(in: rest, at: portOffset, as: UInt16.self)),
            isHeld: number(in: rest, at: inodeOffset, as: UInt32.self) != 0))
      default: throw ListedSocket.NoAnswer()
      }
      // Each starts at a multiple of four.
      rest = rest.dropFirst((length + 3) / 4 * 4)
    }
    return true
  }

  private static func number<Number: FixedWidthInteger & BitwiseCopyable>(
    in bytes: ArraySlice<UInt8>, at offset: Int, as type: Number.Type
  ) -> Number {
    // Reads within the bytes, or traps.
    unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: type) }
  }
}
