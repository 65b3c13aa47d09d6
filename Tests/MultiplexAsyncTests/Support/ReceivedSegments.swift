import Glibc
import Multiplex
import SystemPackage
import Testing

/// How many segments with data a TCP socket has received, as the kernel counts them. On loopback each call that sends a
/// few bytes makes one.
func receivedSegments(_ socket: Socket) throws -> Int {
  // `tcpi_data_segs_in` of Linux's `struct tcp_info`: glibc's own has fewer fields.
  let offset = 152
  var info = [UInt8](repeating: 0, count: 256)
  var size = socklen_t(info.count)
  let result = unsafe getsockopt(socket.fileDescriptor.rawValue, Int32(IPPROTO_TCP), TCP_INFO, &info, &size)
  try #require(result == 0 && size >= offset + MemoryLayout<UInt32>.size)
  // Any bytes are a number.
  return Int(unsafe info.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) })
}
