internal import CMultiplex
public import SystemPackage

extension Ring {
  /// An operation for the kernel, prepared with ``Ring/prepare(_:)``.
  ///
  /// Corresponding C type: `struct io_uring_sqe`.
  public struct Submission: Sendable {
    var entry = cmx_sqe()

    private init(_ opcode: UInt8, _ fd: Int32, token: UInt64) {
      entry.opcode = opcode
      entry.fd = fd
      entry.user_data = token
    }

    /// Makes any operation of the kernel's, for those that have no function here, from the fields of `io_uring_sqe`.
    ///
    ///     let timeout = unsafe Ring.Submission(opcode: 11, address: address, length: 1, token: 7)
    ///
    /// Nothing is checked. All that the operation refers to must be valid until it has completed, even if it is
    /// cancelled: the memory at addresses, descriptors, buffers. ``Ring/Features/operations`` has the opcodes that the
    /// kernel knows.
    ///
    /// - Parameters:
    ///   - opcode: The operation (`IORING_OP_*`).
    ///   - descriptor: What to operate on; -1 for nothing (`fd`).
    ///   - flags: Of any operation (`IOSQE_*`).
    ///   - priority: The I/O priority of a file operation, or the `IORING_*` flags of a socket operation (`ioprio`).
    ///   - offset: The offset in a file, or a second address (`off`, `addr2`).
    ///   - address: An address, or a token (`addr`).
    ///   - length: The size of memory, or a count (`len`).
    ///   - operationFlags: The flags of the call that it stands for (`rw_flags` and the fields that share its place).
    ///   - buffer: The buffer group to select from, or the index of a registered buffer (`buf_group`, `buf_index`).
    ///   - personality: The registered credentials to use; 0 for the process's own.
    ///   - fileIndex: A second descriptor, or the slot of a registered one (`file_index`, `splice_fd_in`).
    ///   - address3: A third address (`addr3`).
    ///   - token: Returned with the completions.
    @unsafe
    public init(
      opcode: UInt8, on descriptor: FileDescriptor = FileDescriptor(rawValue: -1), flags: UInt8 = 0,
      priority: UInt16 = 0, offset: UInt64 = 0, address: UInt64 = 0, length: UInt32 = 0, operationFlags: UInt32 = 0,
      buffer: UInt16 = 0, personality: UInt16 = 0, fileIndex: Int32 = 0, address3: UInt64 = 0, token: UInt64
    ) {
      self.init(opcode, descriptor.rawValue, token: token)
      entry.flags = flags
      entry.ioprio = priority
      entry.offset = offset
      entry.address = address
      entry.length = length
      entry.operation_flags = operationFlags
      entry.buffer = buffer
      entry.personality = personality
      entry.file_index = fileIndex
      entry.address3 = address3
    }

    /// The number that is returned with the completions.
    public var token: UInt64 { entry.user_data }

    /// Returns the same operation, but without a completion if it succeeds (`IOSQE_CQE_SKIP_SUCCESS`).
    public func skippingSuccess() -> Submission { with(cmx_SQE_CQE_SKIP_SUCCESS) }

    var skipsCompletion: Bool { entry.flags & cmx_SQE_CQE_SKIP_SUCCESS != 0 }

    /// Returns the same operation, linked to the one that is prepared next: that begins once this has succeeded, and
    /// otherwise completes with `ECANCELED` (`IOSQE_IO_LINK`). A short read or write hasn't succeeded.
    ///
    /// Both must be submitted together: see ``Ring/prepare(together:)``.
    public func linkedToNext() -> Submission { with(cmx_SQE_IO_LINK) }

    /// Returns the same operation, to begin when all operations before it have completed (`IOSQE_IO_DRAIN`).
    func afterAllOthers() -> Submission { with(cmx_SQE_IO_DRAIN) }

    private func with(_ flag: UInt8) -> Submission {
      var copy = self
      copy.entry.flags |= flag
      return copy
    }

    /// Sets the memory that an operation uses. The kernel never uses more of it than this limit, and refuses to receive
    /// or send more bytes than an `Int32` can count.
    private mutating func use(_ memory: UnsafeRawBufferPointer) {
      entry.address = UInt64(UInt(bitPattern: memory.baseAddress))
      entry.length = UInt32(min(memory.count, 2_147_479_552))
    }
  }
}

// MARK: - Waiting

extension Ring.Submission {
  /// Does nothing, and completes with 0 (`IORING_OP_NOP`).
  public static func nop(token: UInt64 = 0) -> Self {
    Self(cmx_OP_NOP, -1, token: token)
  }

  /// Completes when the descriptor is ready, with the events (`IORING_OP_POLL_ADD`).
  ///
  /// Errors and hang-ups are always reported. The modes of epoll have no effect here. With `isMultishot` it completes
  /// again whenever something changes, until it is cancelled, or completes without ``Ring/Completion/hasMore``.
  public static func poll(
    _ descriptor: FileDescriptor, for events: EpollEvents, isMultishot: Bool = false,
    token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_POLL_ADD, descriptor.rawValue, token: token)
    submission.entry.operation_flags = events.subtracting(.modes).rawValue
    submission.entry.length = isMultishot ? cmx_POLL_ADD_MULTI : 0
    return submission
  }

  /// Changes what a multishot poll waits for, and checks at once whether it is ready (`IORING_POLL_UPDATE_EVENTS`).
  ///
  /// Completes with 0, with `ENOENT` if there is no such poll, or with `EALREADY` if it is just completing. The modes
  /// of epoll have no effect here either.
  public static func updatePoll(_ polled: UInt64, to events: EpollEvents, token: UInt64) -> Self {
    var submission = Self(cmx_OP_POLL_REMOVE, -1, token: token)
    submission.entry.address = polled
    submission.entry.operation_flags = events.subtracting(.modes).rawValue
    submission.entry.length = cmx_POLL_UPDATE_EVENTS | cmx_POLL_ADD_MULTI
    return submission
  }

  /// Cancels the submission with a token (`IORING_OP_ASYNC_CANCEL`): it completes with `ECANCELED`, or as it would
  /// have.
  ///
  /// Completes with 0, with `ENOENT` if there is none, or with `EALREADY` if it can no longer be stopped.
  public static func cancel(_ cancelled: UInt64, token: UInt64) -> Self {
    var submission = Self(cmx_OP_ASYNC_CANCEL, -1, token: token)
    submission.entry.address = cancelled
    return submission
  }

  /// Cancels all submissions for a descriptor (`IORING_ASYNC_CANCEL_FD`, `IORING_ASYNC_CANCEL_ALL`; Linux 5.19).
  ///
  /// Completes with their number.
  public static func cancelAll(on descriptor: FileDescriptor, token: UInt64) -> Self {
    var submission = Self(cmx_OP_ASYNC_CANCEL, descriptor.rawValue, token: token)
    submission.entry.operation_flags = cmx_ASYNC_CANCEL_FD | cmx_ASYNC_CANCEL_ALL
    return submission
  }

  /// Cancels everything (`IORING_ASYNC_CANCEL_ANY`; Linux 5.19). Completes with the number.
  public static func cancelAll(token: UInt64) -> Self {
    var submission = Self(cmx_OP_ASYNC_CANCEL, -1, token: token)
    submission.entry.operation_flags = cmx_ASYNC_CANCEL_ANY | cmx_ASYNC_CANCEL_ALL
    return submission
  }
}

// MARK: - Files

extension Ring.Submission {
  /// Reads from a file, a pipe, a terminal or anything else into memory (`IORING_OP_READ`): completes with the number
  /// of bytes; 0 at the end of the file.
  ///
  /// The memory must stay valid until the operation has completed, even if it is cancelled. At most 2,147,479,552 bytes
  /// of it are used, as with `read`.
  ///
  /// The offset is where in the file to read, in bytes from its beginning, and not negative. nil uses and advances the
  /// file's own position, as needed for streams.
  @unsafe
  public static func read(
    from file: FileDescriptor, into memory: UnsafeMutableRawBufferPointer, at offset: Int64? = nil, token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_READ, file.rawValue, token: token)
    unsafe submission.use(UnsafeRawBufferPointer(memory))
    submission.entry.offset = position(offset)
    return submission
  }

  /// Writes bytes (`IORING_OP_WRITE`): completes with the number of bytes written.
  ///
  /// The memory must stay valid and unchanged until the operation has completed. At most 2,147,479,552 bytes are
  /// written, and a pipe without a reader raises SIGPIPE, as with `write`. The offset is as in
  /// ``read(from:into:at:token:)``.
  @unsafe
  public static func write(
    to file: FileDescriptor, _ bytes: UnsafeRawBufferPointer, at offset: Int64? = nil, token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_WRITE, file.rawValue, token: token)
    unsafe submission.use(bytes)
    submission.entry.offset = position(offset)
    return submission
  }

  /// Completes with 0 once everything written to a file is on its device (`IORING_OP_FSYNC`). Writes that haven't
  /// completed may be missing: see ``linkedToNext()``.
  ///
  /// With `isDataOnly` it omits metadata that isn't needed to read the bytes again, such as the modification time
  /// (`IORING_FSYNC_DATASYNC`).
  public static func synchronize(_ file: FileDescriptor, isDataOnly: Bool = false, token: UInt64) -> Self {
    var submission = Self(cmx_OP_FSYNC, file.rawValue, token: token)
    submission.entry.operation_flags = isDataOnly ? cmx_FSYNC_DATASYNC : 0
    return submission
  }

  /// An offset in the kernel's form, in which the largest number means the file's own position.
  private static func position(_ offset: Int64?) -> UInt64 {
    UInt64(bitPattern: offset ?? -1)
  }
}

// MARK: - Sockets

extension Ring.Submission {
  /// Accepts a connection (`IORING_OP_ACCEPT`): completes with its descriptor, which is non-blocking and close-on-exec,
  /// and must be closed by the receiver of the completion.
  ///
  /// With `isMultishot` it goes on accepting, and completes for each connection (Linux 5.19).
  public static func accept(
    on listener: FileDescriptor, isMultishot: Bool = false, token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_ACCEPT, listener.rawValue, token: token)
    submission.entry.operation_flags = UInt32(bitPattern: cmx_SOCK_NONBLOCK | cmx_SOCK_CLOEXEC)
    submission.entry.ioprio = isMultishot ? cmx_ACCEPT_MULTISHOT : 0
    return submission
  }

  /// Connects a socket (`IORING_OP_CONNECT`): completes with 0, or with the reason why the connection failed.
  ///
  /// The address is a `sockaddr` of the socket's family: see ``SocketAddress/withSockaddrBytes(_:)``. It must stay
  /// valid until the operation has completed.
  @unsafe
  public static func connect(_ socket: FileDescriptor, to address: UnsafeRawBufferPointer, token: UInt64) -> Self {
    var submission = Self(cmx_OP_CONNECT, socket.rawValue, token: token)
    submission.entry.address = UInt64(UInt(bitPattern: address.baseAddress))
    // The length takes the place of other operations' offset.
    submission.entry.offset = UInt64(address.count)
    return submission
  }

  /// Receives into a buffer of a group (`IORING_OP_RECV`, `IOSQE_BUFFER_SELECT`): completes with the number of bytes
  /// and the buffer, with 0 at the end of input, or with `ENOBUFS` when the group has no buffer left.
  ///
  /// The group is the number of a ``BufferGroup`` that is registered with the same ring. With `isMultishot` it goes on
  /// receiving, and completes each time (Linux 6.0).
  public static func receive(
    on socket: FileDescriptor, intoGroup group: UInt16, isMultishot: Bool = false,
    token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_RECV, socket.rawValue, token: token)
    submission.entry.flags = cmx_SQE_BUFFER_SELECT
    submission.entry.buffer = group
    submission.entry.ioprio = isMultishot ? cmx_RECV_MULTISHOT : 0
    return submission
  }

  /// Receives into memory (`IORING_OP_RECV`): completes with the number of bytes; 0 at the end of input.
  ///
  /// The memory must stay valid until the operation has completed, even if it is cancelled. At most 2,147,479,552 bytes
  /// of it are used.
  @unsafe
  public static func receive(
    on socket: FileDescriptor, into memory: UnsafeMutableRawBufferPointer, token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_RECV, socket.rawValue, token: token)
    unsafe submission.use(UnsafeRawBufferPointer(memory))
    return submission
  }

  /// Sends bytes (`IORING_OP_SEND`): completes with their number. If the peer has gone, it completes with `EPIPE`, and
  /// never raises `SIGPIPE`.
  ///
  /// The memory must stay valid and unchanged until the operation has completed. Have only one send in flight per
  /// socket: the kernel doesn't keep several in order.
  ///
  /// At most 2,147,479,552 bytes are sent. With `sendsAll` it completes once all of them are sent, or after an error
  /// (`MSG_WAITALL`). With `waitsForRoom` it waits for room. Otherwise as much as there is room for is sent during the
  /// submission (`MSG_DONTWAIT`): it completes with the number of bytes sent, or with `EAGAIN`.
  @unsafe
  public static func send(
    on socket: FileDescriptor, _ bytes: UnsafeRawBufferPointer, sendsAll: Bool = true, waitsForRoom: Bool = true,
    token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_SEND, socket.rawValue, token: token)
    unsafe submission.use(bytes)
    submission.entry.operation_flags = UInt32(
      bitPattern: cmx_MSG_NOSIGNAL | (sendsAll ? cmx_MSG_WAITALL : 0) | (waitsForRoom ? 0 : cmx_MSG_DONTWAIT))
    return submission
  }

  /// Shuts down one or both directions of a connection (`IORING_OP_SHUTDOWN`).
  public static func shutdown(
    _ socket: FileDescriptor, _ direction: ShutdownDirection, token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_SHUTDOWN, socket.rawValue, token: token)
    submission.entry.length = UInt32(bitPattern: direction.rawValue)
    return submission
  }

  /// Closes a descriptor (`IORING_OP_CLOSE`), which is released even if that completes with an error.
  public static func close(_ descriptor: FileDescriptor, token: UInt64) -> Self {
    Self(cmx_OP_CLOSE, descriptor.rawValue, token: token)
  }
}
