internal import CMultiplex
public import SystemPackage

extension Ring {
  /// What has become of a submission, or one of the events of a multishot submission.
  ///
  /// Corresponding C type: `struct io_uring_cqe`.
  public struct Completion: Hashable, Sendable {
    /// The number that the submission was made with.
    public let token: UInt64
    /// What the call would have returned: a count, a descriptor, the events of a poll; or the negative error number.
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

    /// Whether more completions follow for the same submission. Where a multishot submission has none to follow, it has
    /// ended, and is to be made anew if it is still wanted.
    public var hasMore: Bool { flags & cmx_CQE_F_MORE != 0 }

    /// The buffer that was taken from the group for what was received: give it back with
    /// ``BufferGroup/provide(_:)``.
    public var buffer: UInt16? {
      flags & cmx_CQE_F_BUFFER != 0 ? UInt16(truncatingIfNeeded: flags >> cmx_CQE_BUFFER_SHIFT) : nil
    }

    /// Whether more bytes lay in the socket when these were received (`IORING_CQE_F_SOCK_NONEMPTY`).
    public var leftMore: Bool { flags & cmx_CQE_F_SOCK_NONEMPTY != 0 }
  }
}
