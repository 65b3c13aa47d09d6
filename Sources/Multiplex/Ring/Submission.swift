internal import CMultiplex
public import SystemPackage

extension Ring {
  /// One operation for the kernel to do, prepared by ``Ring/prepare(_:)``.
  ///
  /// Corresponding C type: `struct io_uring_sqe`.
  public struct Submission: Sendable {
    var entry = cmx_sqe()

    private init(_ opcode: UInt8, _ fd: Int32, token: UInt64) {
      entry.opcode = opcode
      entry.fd = fd
      entry.user_data = token
    }

    /// The number that comes back with the completions.
    public var token: UInt64 { entry.user_data }

    /// The same, but without a completion if it succeeds (`IOSQE_CQE_SKIP_SUCCESS`).
    public func skippingSuccess() -> Submission { with(cmx_SQE_CQE_SKIP_SUCCESS) }

    /// The same, but what is prepared next begins once this has succeeded; otherwise it completes with `ECANCELED`
    /// (`IOSQE_IO_LINK`). A read or a write that moves less than it was to hasn't succeeded.
    ///
    /// Both have to be submitted together: see that there is room for both in the queue.
    public func linkedToNext() -> Submission { with(cmx_SQE_IO_LINK) }

    private func with(_ flag: UInt8) -> Submission {
      var copy = self
      copy.entry.flags |= flag
      return copy
    }

    /// Names the memory that an operation works on. The kernel never uses more than this of it, and refuses to receive into
    /// more than an `Int32` counts, or to send it.
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
  /// Errors and hang-ups are reported whatever is asked for. The modes of epoll mean nothing here. With `isMultishot` it
  /// completes again each time when something changes, until it is cancelled, or completes without
  /// ``Ring/Completion/hasMore``.
  public static func poll(
    _ descriptor: FileDescriptor, for events: EpollEvents, isMultishot: Bool = false,
    token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_POLL_ADD, descriptor.rawValue, token: token)
    submission.entry.operation_flags = events.subtracting(.modes).rawValue
    submission.entry.length = isMultishot ? cmx_POLL_ADD_MULTI : 0
    return submission
  }

  /// Changes what a multishot poll waits for, and looks at once whether it is there (`IORING_POLL_UPDATE_EVENTS`).
  ///
  /// Completes with 0, or with `ENOENT` where there is no such poll, `EALREADY` where it is just completing. The modes of
  /// epoll mean nothing here either.
  public static func updatePoll(_ polled: UInt64, to events: EpollEvents, token: UInt64) -> Self {
    var submission = Self(cmx_OP_POLL_REMOVE, -1, token: token)
    submission.entry.address = polled
    submission.entry.operation_flags = events.subtracting(.modes).rawValue
    submission.entry.length = cmx_POLL_UPDATE_EVENTS | cmx_POLL_ADD_MULTI
    return submission
  }

  /// Cancels the submission with a token (`IORING_OP_ASYNC_CANCEL`): it completes with `ECANCELED`, or as it would have.
  ///
  /// Completes with 0, or with `ENOENT` where there is none, `EALREADY` where it can't be stopped any more.
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
  /// Reads into memory (`IORING_OP_READ`), from a file, a pipe, a terminal or whatever else: completes with the number of
  /// bytes, 0 being the end of the file.
  ///
  /// The memory has to stay until the completion has come, also if the submission is cancelled. At most 2,147,479,552 bytes
  /// of it are used, as with `read`.
  ///
  /// The offset says where in the file to read, in bytes from its beginning, not below 0. nil reads at the file's position
  /// and moves it, as is right for what has no positions.
  @unsafe
  public static func read(
    from file: FileDescriptor, into memory: UnsafeMutableRawBufferPointer, at offset: Int64? = nil, token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_READ, file.rawValue, token: token)
    unsafe submission.use(UnsafeRawBufferPointer(memory))
    submission.entry.offset = position(offset)
    return submission
  }

  /// Writes bytes (`IORING_OP_WRITE`): completes with how many of them were written.
  ///
  /// The memory has to stay, unchanged, until the completion has come. At most 2,147,479,552 bytes are written, and a pipe
  /// without a reader raises SIGPIPE, as with `write`. The offset means what it does to ``read(from:into:at:token:)``.
  @unsafe
  public static func write(
    to file: FileDescriptor, _ bytes: UnsafeRawBufferPointer, at offset: Int64? = nil, token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_WRITE, file.rawValue, token: token)
    unsafe submission.use(bytes)
    submission.entry.offset = position(offset)
    return submission
  }

  /// Completes with 0 once what was written to a file is on its device (`IORING_OP_FSYNC`). Writes that haven't completed may
  /// be missing: see ``linkedToNext()``.
  ///
  /// With `isDataOnly` it leaves out what isn't needed to read the bytes again, such as the time of the change
  /// (`IORING_FSYNC_DATASYNC`).
  public static func synchronize(_ file: FileDescriptor, isDataOnly: Bool = false, token: UInt64) -> Self {
    var submission = Self(cmx_OP_FSYNC, file.rawValue, token: token)
    submission.entry.operation_flags = isDataOnly ? cmx_FSYNC_DATASYNC : 0
    return submission
  }

  /// An offset as the kernel takes it, which has the largest number stand for the file's own position.
  private static func position(_ offset: Int64?) -> UInt64 {
    UInt64(bitPattern: offset ?? -1)
  }
}

// MARK: - Sockets

extension Ring.Submission {
  /// Accepts a connection (`IORING_OP_ACCEPT`): completes with its descriptor, which is non-blocking and close-on-exec,
  /// and belongs to the receiver of the completion.
  ///
  /// With `isMultishot` it goes on accepting, with a completion for each connection (Linux 5.19).
  public static func accept(
    on listener: FileDescriptor, isMultishot: Bool = false, token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_ACCEPT, listener.rawValue, token: token)
    submission.entry.operation_flags = UInt32(bitPattern: cmx_SOCK_NONBLOCK | cmx_SOCK_CLOEXEC)
    submission.entry.ioprio = isMultishot ? cmx_ACCEPT_MULTISHOT : 0
    return submission
  }

  /// Connects a socket (`IORING_OP_CONNECT`): completes with 0, or with what keeps the connection from coming about.
  ///
  /// The address is a `sockaddr` of the socket's family: see ``SocketAddress/withSockaddrBytes(_:)``. It has to stay until
  /// the completion has come.
  @unsafe
  public static func connect(_ socket: FileDescriptor, to address: UnsafeRawBufferPointer, token: UInt64) -> Self {
    var submission = Self(cmx_OP_CONNECT, socket.rawValue, token: token)
    submission.entry.address = UInt64(UInt(bitPattern: address.baseAddress))
    // The length has its place there, where others have an offset.
    submission.entry.offset = UInt64(address.count)
    return submission
  }

  /// Receives into a buffer of a group (`IORING_OP_RECV`, `IOSQE_BUFFER_SELECT`): completes with the number of bytes and
  /// the buffer, with 0 at the end of input, or with `ENOBUFS` when the group has no buffer left.
  ///
  /// The group is the number of a ``BufferGroup`` that is registered with the same ring. With `isMultishot` it goes on
  /// receiving (Linux 6.0).
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

  /// Receives into memory (`IORING_OP_RECV`): completes with the number of bytes, 0 being the end of input.
  ///
  /// The memory has to stay until the completion has come, also if the submission is cancelled. At most 2,147,479,552 bytes
  /// of it are used.
  @unsafe
  public static func receive(
    on socket: FileDescriptor, into memory: UnsafeMutableRawBufferPointer, token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_RECV, socket.rawValue, token: token)
    unsafe submission.use(UnsafeRawBufferPointer(memory))
    return submission
  }

  /// Sends bytes (`IORING_OP_SEND`): completes with their number. A peer that has gone is an `EPIPE`, never a `SIGPIPE`.
  ///
  /// The memory has to stay, unchanged, until the completion has come. Have one send in flight for a socket at a time:
  /// the kernel doesn't keep the order of several.
  ///
  /// At most 2,147,479,552 bytes are sent. With `sendsAll` it completes once these are, or something has gone wrong (`MSG_WAITALL`). With `waitsForRoom` it
  /// waits for room. Otherwise the send is done with the call that submits it, as far as there is room (`MSG_DONTWAIT`): it
  /// completes with the part that was sent, or with `EAGAIN`.
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

  /// Sends several buffers as one (`IORING_OP_SENDMSG`). The header and the buffers have to stay until the completion.
  @unsafe
  package static func send(on socket: FileDescriptor, _ message: MessageHeader, token: UInt64) -> Self {
    var submission = Self(cmx_OP_SENDMSG, socket.rawValue, token: token)
    submission.entry.address = unsafe UInt64(UInt(bitPattern: message.header))
    submission.entry.length = 1
    submission.entry.operation_flags = UInt32(bitPattern: cmx_MSG_NOSIGNAL | cmx_MSG_WAITALL)
    return submission
  }

  /// Ends one or both directions of a connection (`IORING_OP_SHUTDOWN`).
  public static func shutdown(
    _ socket: FileDescriptor, _ direction: ShutdownDirection, token: UInt64
  ) -> Self {
    var submission = Self(cmx_OP_SHUTDOWN, socket.rawValue, token: token)
    submission.entry.length = UInt32(bitPattern: direction.rawValue)
    return submission
  }

  /// Closes a descriptor (`IORING_OP_CLOSE`), which is gone whatever the kernel says to it.
  public static func close(_ descriptor: FileDescriptor, token: UInt64) -> Self {
    Self(cmx_OP_CLOSE, descriptor.rawValue, token: token)
  }
}
