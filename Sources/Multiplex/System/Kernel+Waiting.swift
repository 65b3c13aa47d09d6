package import CMultiplex
package import SystemPackage

extension Kernel {
  /// - Parameter timeout: nil blocks.
  package static func ppoll(
    _ entries: UnsafeMutableBufferPointer<pollfd>, _ timeout: timespec?
  ) throws(Errno) -> Int32 {
    try perform(.ppoll) {
      unsafe withOptional(timeout) { unsafe cmx_ppoll(entries.baseAddress, nfds_t(entries.count), $0) }
    }
  }

  /// Sleeps for a time, or until a signal arrives; a duration of zero or less doesn't wait.
  package static func sleep(for duration: Duration) {
    _ = try? unsafe ppoll(UnsafeMutableBufferPointer(start: nil, count: 0), Timeout.timespec(duration))
  }

  /// Doesn't wait.
  static func poll(_ entries: UnsafeMutableBufferPointer<pollfd>) throws(Errno) -> Int32 {
    try perform(.poll) { unsafe CMultiplex.poll(entries.baseAddress, nfds_t(entries.count), 0) }
  }

  /// The bitmaps hold at least `count` bits each.
  package static func pselect(
    _ count: Int32, _ reading: UnsafeMutablePointer<UInt>?, _ writing: UnsafeMutablePointer<UInt>?,
    _ exceptional: UnsafeMutablePointer<UInt>?, _ timeout: timespec?
  ) throws(Errno) -> Int32 {
    try perform(.pselect) {
      unsafe withOptional(timeout) { unsafe cmx_pselect(count, reading, writing, exceptional, $0) }
    }
  }

  package static func epollCreate() throws(Errno) -> Int32 {
    try perform(.epoll_create1) { epoll_create1(cmx_EPOLL_CLOEXEC) }
  }

  package static func epollControl(
    _ epoll: Int32, _ operation: Int32, _ fd: Int32, _ event: epoll_event
  ) throws(Errno) {
    var event = unsafe event
    _ = try perform(.epoll_ctl) { unsafe epoll_ctl(epoll, operation, fd, &event) }
  }

  /// - Parameter milliseconds: -1 blocks.
  package static func epollWait(
    _ epoll: Int32, _ events: UnsafeMutableBufferPointer<epoll_event>, milliseconds: Int32
  ) throws(Errno) -> Int32 {
    try perform(.epoll_wait) {
      unsafe cmx_epoll_wait(epoll, events.baseAddress, Int32(clamping: events.count), milliseconds)
    }
  }

  /// Linux 5.11.
  package static func epollPwait2(
    _ epoll: Int32, _ events: UnsafeMutableBufferPointer<epoll_event>, _ timeout: timespec
  ) throws(Errno) -> Int32 {
    try perform(.epoll_pwait2) {
      unsafe withOptional(timeout) { timeout in
        unsafe cmx_epoll_pwait2(epoll, events.baseAddress, Int32(clamping: events.count), timeout)
      }
    }
  }

  @inline(__always)
  private static func withOptional<Value, Result>(
    _ value: Value?, _ body: (UnsafePointer<Value>?) -> Result
  ) -> Result {
    guard let value else { return body(nil) }
    return unsafe withUnsafePointer(to: value) { unsafe body($0) }
  }
}
