internal import CMultiplex
public import SystemPackage

extension Ring {
  /// The result of a submission, or one of the events of a multishot submission.
  ///
  /// Corresponding C type: `struct io_uring_cqe`.
  public struct Completion: Hashable, Sendable {
    /// The submission's token.
    public let token: UInt64
    /// What the system call would return (a count, a descriptor, the events of a poll), or the negative error number.
    public let result: Int32
    /// The kernel's flags (`IORING_CQE_F_*`).
    public let flags: UInt32

    package init(token: UInt64, result: Int32, flags: UInt32) {
      self.token = token
      self.result = result
      self.flags = flags
    }

    /// Why the operation failed; nil if it didn't.
    public var errno: Errno? { result < 0 ? Errno(rawValue: -result) : nil }

    /// Whether more completions follow for the same submission. If none follow, a multishot submission has ended, and
    /// must be submitted again if it is still needed.
    public var hasMore: Bool { flags & cmx_CQE_F_MORE != 0 }

    /// The buffer of the group that holds the received data: return it with ``BufferGroup/provide(_:)``. nil if the
    /// operation uses none.
    public var buffer: UInt16? {
      flags & cmx_CQE_F_BUFFER != 0 ? UInt16(truncatingIfNeeded: flags >> cmx_CQE_BUFFER_SHIFT) : nil
    }

    /// Whether the socket had more bytes when these were received (`IORING_CQE_F_SOCK_NONEMPTY`).
    public var socketHasMore: Bool { flags & cmx_CQE_F_SOCK_NONEMPTY != 0 }
  }
}
