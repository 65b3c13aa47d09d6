package import CMultiplex
package import SystemPackage

/// The seam between this package and the kernel: every system call of the library is made here, one function each, but for
/// those that the C library makes to resolve a name, and the reading of ``SystemFile``.
///
/// Nothing is retried, translated or remembered here; a call returns what the kernel returned, or throws its `errno`.
/// Debug builds let a `FaultPlan` answer in the kernel's place.
package enum Kernel {
  @inline(__always)
  static func perform<Result: SignedInteger>(
    _ call: SystemCall, _ body: () -> Result
  ) throws(Errno) -> Result {
    #if MULTIPLEX_FAULTS
      try FaultPlan.current?.check(call)
    #endif
    let result = body()
    guard result >= 0 else { throw .current }
    return result
  }

  /// How many bytes of `count` to ask the kernel for.
  @inline(__always)
  private static func granted(_ count: Int) -> Int {
    #if MULTIPLEX_FAULTS
      return FaultPlan.current?.shorten(count) ?? count
    #else
      return count
    #endif
  }
}

// MARK: - Any descriptor

extension Kernel {
  /// Linux frees the descriptor even where it answers EINTR, so a close is never repeated.
  package static func close(_ fd: Int32) throws(Errno) {
    _ = try perform(.close) { CMultiplex.close(fd) }
  }

  package static func read(_ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    try perform(.read) { unsafe CMultiplex.read(fd, buffer.baseAddress, granted(buffer.count)) }
  }

  package static func write(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) throws(Errno) -> Int {
    try perform(.write) { unsafe CMultiplex.write(fd, bytes.baseAddress, granted(bytes.count)) }
  }

  /// Reads from an eventfd, a signalfd or a timerfd, which hand over whole records or nothing: no plan cuts them short.
  package static func readRecord(_ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    try perform(.read) { unsafe CMultiplex.read(fd, buffer.baseAddress, buffer.count) }
  }

  /// Writes to an eventfd, which takes the whole number or nothing.
  package static func writeRecord(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) throws(Errno) {
    _ = try perform(.write) { unsafe CMultiplex.write(fd, bytes.baseAddress, bytes.count) }
  }

  package static func fcntl(_ fd: Int32, _ command: Int32, _ argument: Int32 = 0) throws(Errno) -> Int32 {
    try perform(.fcntl) { cmx_fcntl(fd, command, argument) }
  }

  package static var duplicateCloseOnExec: Int32 { cmx_F_DUPFD_CLOEXEC }

  /// Makes `target` another descriptor of the same open file, close-on-exec; what it was before is closed.
  package static func duplicate(_ fd: Int32, as target: Int32) throws(Errno) {
    _ = try perform(.dup3) { cmx_dup3(fd, target, cmx_O_CLOEXEC) }
  }

  package static func isOpen(_ fd: Int32) -> Bool {
    (try? fcntl(fd, F_GETFD)) != nil
  }

  package static func pipe() throws(Errno) -> (reader: Int32, writer: Int32) {
    var ends: [2 of Int32] = [-1, -1]
    _ = try perform(.pipe2) {
      // The two elements lie side by side, as in C's int[2].
      unsafe withUnsafeMutableBytes(of: &ends) { bytes in
        unsafe cmx_pipe2(bytes.baseAddress?.assumingMemoryBound(to: Int32.self), cmx_PIPE_FLAGS)
      }
    }
    return (ends[0], ends[1])
  }

  package static func eventfd() throws(Errno) -> Int32 {
    try perform(.eventfd) { CMultiplex.eventfd(0, cmx_EFD_FLAGS) }
  }

  /// Raises an eventfd by one, which makes it readable.
  static func raiseEvent(_ fd: Int32) throws(Errno) {
    let one: UInt64 = 1
    try unsafe withUnsafeBytes(of: one) { bytes throws(Errno) in try unsafe writeRecord(fd, bytes) }
  }

  /// Takes an eventfd back to zero. If there is nothing to read, there is nothing to take back.
  static func resetEvent(_ fd: Int32) {
    var count: UInt64 = 0
    _ = unsafe withUnsafeMutableBytes(of: &count) { bytes in try? unsafe readRecord(fd, bytes) }
  }
}

// MARK: - Waiting

extension Kernel {
  /// - Parameter timeout: nil blocks.
  package static func ppoll(
    _ entries: UnsafeMutableBufferPointer<pollfd>, _ timeout: timespec?
  ) throws(Errno) -> Int32 {
    try perform(.ppoll) {
      unsafe withOptional(timeout) { unsafe cmx_ppoll(entries.baseAddress, nfds_t(entries.count), $0) }
    }
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

// MARK: - Sockets

extension Kernel {
  package static func socket(_ family: Int32, _ type: Int32) throws(Errno) -> Int32 {
    try perform(.socket) { CMultiplex.socket(family, type | cmx_SOCK_NONBLOCK | cmx_SOCK_CLOEXEC, 0) }
  }

  package static func socketpair() throws(Errno) -> (Int32, Int32) {
    var ends: [2 of Int32] = [-1, -1]
    _ = try perform(.socketpair) {
      // The two elements lie side by side, as in C's int[2].
      unsafe withUnsafeMutableBytes(of: &ends) { bytes in
        unsafe CMultiplex.socketpair(
          AF_UNIX, cmx_SOCK_STREAM | cmx_SOCK_NONBLOCK | cmx_SOCK_CLOEXEC, 0,
          bytes.baseAddress?.assumingMemoryBound(to: Int32.self))
      }
    }
    return (ends[0], ends[1])
  }

  package static func bind(_ fd: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) throws(Errno) {
    _ = try perform(.bind) { unsafe CMultiplex.bind(fd, address, length) }
  }

  package static func listen(_ fd: Int32, _ backlog: Int32) throws(Errno) {
    _ = try perform(.listen) { CMultiplex.listen(fd, backlog) }
  }

  package static func connect(_ fd: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) throws(Errno) {
    _ = try perform(.connect) { unsafe CMultiplex.connect(fd, address, length) }
  }

  package static func accept(
    _ fd: Int32, _ address: UnsafeMutablePointer<sockaddr>?, _ length: UnsafeMutablePointer<socklen_t>?
  ) throws(Errno) -> Int32 {
    try perform(.accept4) { unsafe cmx_accept4(fd, address, length, cmx_SOCK_NONBLOCK | cmx_SOCK_CLOEXEC) }
  }

  /// For a call that mustn't wait, whatever the descriptor's own mode is.
  package static var dontWait: Int32 { cmx_MSG_DONTWAIT }

  /// For a receive that leaves the bytes where they are.
  package static var peek: Int32 { cmx_MSG_PEEK }

  package static func receive(
    _ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer, flags: Int32 = 0
  ) throws(Errno) -> Int {
    try perform(.recv) { unsafe cmx_recv(fd, buffer.baseAddress, granted(buffer.count), flags) }
  }

  /// A peer that has gone is an EPIPE here, never a SIGPIPE.
  package static func send(_ fd: Int32, _ bytes: UnsafeRawBufferPointer, flags: Int32 = 0) throws(Errno) -> Int {
    try perform(.send) {
      unsafe cmx_send(fd, bytes.baseAddress, granted(bytes.count), flags | cmx_MSG_NOSIGNAL)
    }
  }

  /// Sends several pieces of memory as if they were one, in their order. At most 1024 of them (IOV_MAX).
  package static func send(
    _ fd: Int32, pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>
  ) throws(Errno) -> Int {
    let result = unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: pieces.count) { entries in
      var left = granted(unsafe pieces.reduce(0) { $0 + $1.count })
      for index in pieces.indices {
        // The kernel reads from what it takes as mutable.
        let start = unsafe UnsafeMutableRawPointer(mutating: pieces[index].baseAddress)
        let count = unsafe min(left, pieces[index].count)
        unsafe entries.initializeElement(at: index, to: iovec(iov_base: start, iov_len: count))
        left -= count
      }
      return Result { () throws(Errno) in try unsafe send(fd, entries) }
    }
    return try result.get()
  }

  private static func send(_ fd: Int32, _ entries: UnsafeMutableBufferPointer<iovec>) throws(Errno) -> Int {
    var message = unsafe msghdr()
    unsafe message.msg_iov = entries.baseAddress
    unsafe message.msg_iovlen = .init(entries.count)
    return try perform(.sendmsg) { unsafe sendmsg(fd, &message, cmx_MSG_NOSIGNAL) }
  }

  /// Takes one datagram, whole or cut to the buffer, and its sender's address; no plan cuts it short.
  package static func receiveFrom(
    _ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ address: UnsafeMutablePointer<sockaddr>,
    _ length: UnsafeMutablePointer<socklen_t>
  ) throws(Errno) -> Int {
    try perform(.recvfrom) { unsafe recvfrom(fd, buffer.baseAddress, buffer.count, 0, address, length) }
  }

  /// Sends one datagram, whole or not at all.
  ///
  /// - Parameter address: nil for a connected socket.
  package static func sendTo(
    _ fd: Int32, _ bytes: UnsafeRawBufferPointer, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
  ) throws(Errno) {
    _ = try perform(.sendto) {
      unsafe sendto(fd, bytes.baseAddress, bytes.count, cmx_MSG_NOSIGNAL, address, length)
    }
  }

  /// Moves bytes that have come to a non-blocking socket into a pipe, without copying them where that is possible.
  package static func splice(fromSocket fd: Int32, to pipe: Int32, _ count: Int) throws(Errno) -> Int {
    try perform(.splice) { cmx_splice(fd, pipe, granted(count)) }
  }

  /// Sends bytes from a pipe on a non-blocking socket, without copying them where that is possible.
  package static func splice(fromPipe pipe: Int32, to fd: Int32, _ count: Int) throws(Errno) -> Int {
    try perform(.splice) { cmx_splice_to_socket(pipe, fd, granted(count)) }
  }

  /// How much a pipe is to hold, in bytes; the kernel may round it up.
  package static func setCapacity(ofPipe fd: Int32, _ count: Int) throws(Errno) -> Int {
    Int(try fcntl(fd, cmx_F_SETPIPE_SZ, Int32(clamping: count)))
  }

  /// Has the next close of a TCP socket break the connection off (`SO_LINGER` of no time).
  package static func resetOnClose(_ fd: Int32) throws(Errno) {
    _ = try perform(.setsockopt) { cmx_reset_on_close(fd) }
  }

  /// How many bytes the kernel has taken to send and the peer has yet to acknowledge.
  package static func sendQueueLength(_ fd: Int32) throws(Errno) -> Int {
    var count: Int32 = 0
    _ = try perform(.ioctl) { unsafe cmx_send_queue_length(fd, &count) }
    return Int(count)
  }

  package static func shutdown(_ fd: Int32, _ how: Int32) throws(Errno) {
    _ = try perform(.shutdown) { CMultiplex.shutdown(fd, how) }
  }

  package static func getsockname(
    _ fd: Int32, _ address: UnsafeMutablePointer<sockaddr>, _ length: UnsafeMutablePointer<socklen_t>
  ) throws(Errno) {
    _ = try perform(.getsockname) { unsafe CMultiplex.getsockname(fd, address, length) }
  }

  package static func getpeername(
    _ fd: Int32, _ address: UnsafeMutablePointer<sockaddr>, _ length: UnsafeMutablePointer<socklen_t>
  ) throws(Errno) {
    _ = try perform(.getpeername) { unsafe CMultiplex.getpeername(fd, address, length) }
  }

  package static func setOption(_ fd: Int32, _ level: Int32, _ name: Int32, _ value: Int32) throws(Errno) {
    var value = value
    _ = try perform(.setsockopt) {
      unsafe setsockopt(fd, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
  }

  package static func option(_ fd: Int32, _ level: Int32, _ name: Int32) throws(Errno) -> Int32 {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    _ = try perform(.getsockopt) { unsafe getsockopt(fd, level, name, &value, &length) }
    return value
  }
}

// MARK: - Threads, signals, timers, limits, files

extension Kernel {
  /// Names the calling thread, among those that run.
  static var currentThread: UInt { cmx_current_thread() }

  /// Blocks the signals in the calling thread and returns what was blocked before.
  static func blockSignals(_ signals: sigset_t) throws(Errno) -> sigset_t {
    var signals = signals
    var previous = sigset_t()
    // pthread_sigmask returns its error instead of setting errno.
    let status = unsafe pthread_sigmask(SIG_BLOCK, &signals, &previous)
    guard status == 0 else { throw Errno(rawValue: status) }
    return previous
  }

  /// Takes a signal that has come, and is blocked, without waiting; false if there is none.
  static func takePendingSignal(of signals: sigset_t) -> Bool {
    var signals = signals
    var now = timespec()
    return (try? perform(.sigtimedwait) { unsafe sigtimedwait(&signals, nil, &now) }) != nil
  }

  static func signalfd(_ signals: sigset_t) throws(Errno) -> Int32 {
    var signals = signals
    return try perform(.signalfd) { unsafe CMultiplex.signalfd(-1, &signals, cmx_SFD_FLAGS) }
  }

  /// A timer on the clock of a `ContinuousClock`, stopped.
  static func timerfd() throws(Errno) -> Int32 {
    try perform(.timerfd_create) { timerfd_create(CLOCK_BOOTTIME, cmx_TFD_FLAGS) }
  }

  /// - Parameters:
  ///   - delay: Of no time to stop the timer.
  ///   - interval: Of no time to have it expire once.
  static func setTimer(_ fd: Int32, _ delay: timespec, interval: timespec) throws(Errno) {
    var setting = itimerspec(it_interval: interval, it_value: delay)
    _ = try perform(.timerfd_settime) { unsafe timerfd_settime(fd, 0, &setting, nil) }
  }

  static func unblockSignals(_ signals: sigset_t) {
    var signals = signals
    _ = unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  /// Lets the handler of ``SignalCatcher`` have a signal, and returns how it was dealt with before.
  static func catchSignal(_ signal: Int32) throws(Errno) -> sigaction {
    var previous = sigaction()
    _ = try perform(.sigaction) { unsafe cmx_signal_install(signal, &previous) }
    return previous
  }

  static func restoreSignal(_ signal: Int32, _ previous: sigaction) {
    var previous = previous
    _ = unsafe cmx_signal_restore(signal, &previous)
  }

  /// Fills the mask with a bit for each processor that the calling thread may run on, and returns the bytes written.
  package static func affinity(_ mask: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    try perform(.sched_getaffinity) { unsafe cmx_sched_getaffinity(mask.baseAddress, mask.count) }
  }

  static func openFileLimit() throws(Errno) -> rlimit {
    var limit = rlimit()
    _ = try perform(.getrlimit) { unsafe cmx_getrlimit_nofile(&limit) }
    return limit
  }

  static func setOpenFileLimit(_ limit: rlimit) throws(Errno) {
    var limit = limit
    _ = try perform(.setrlimit) { unsafe cmx_setrlimit_nofile(&limit) }
  }

  /// The file's type and mode, of a symbolic link itself.
  package static func fileMode(_ path: String) throws(Errno) -> UInt32 {
    var status = stat()
    _ = try perform(.lstat) { unsafe lstat(path, &status) }
    return status.st_mode
  }

  /// The type and mode of an open file.
  static func fileMode(_ fd: Int32) throws(Errno) -> UInt32 {
    var status = stat()
    _ = try perform(.fstat) { unsafe fstat(fd, &status) }
    return status.st_mode
  }

  /// Opens a folder, to lock it.
  static func openFolder(_ path: String) throws(Errno) -> Int32 {
    try perform(.open) { unsafe cmx_open(path, cmx_FOLDER_FLAGS) }
  }

  /// Locks a file against others that lock it, without waiting; closing the descriptor unlocks it.
  package static func lock(_ fd: Int32) throws(Errno) {
    _ = try perform(.flock) { cmx_flock(fd, LOCK_EX | LOCK_NB) }
  }

  package static func unlink(_ path: String) throws(Errno) {
    _ = try perform(.unlink) { unsafe CMultiplex.unlink(path) }
  }
}
