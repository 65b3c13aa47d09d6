package import CMultiplex
internal import SystemPackage

extension Ring {
  /// What the kernel's rings can do, as reported by the kernel.
  public struct Features: Hashable, Sendable {
    /// The kernel's flags (`IORING_FEAT_*`).
    public let flags: UInt32
    /// How the ring was set up (`IORING_SETUP_*`), without the flags that the kernel has refused.
    public let setup: UInt32
    /// The operations that the kernel knows (`IORING_OP_*`).
    public let operations: Set<UInt8>

    package init(_ parameters: cmx_ring_params, _ operations: Set<UInt8>) {
      flags = parameters.features
      setup = parameters.flags
      self.operations = operations
    }

    /// Whether completions are processed when the ring's only thread enters the kernel (`IORING_SETUP_DEFER_TASKRUN`,
    /// 6.1).
    public var defersWork: Bool { setup & cmx_SETUP_DEFER_TASKRUN != 0 }

    /// Whether receives can be multishot. There is no flag for that; zero-copy sends came with it (6.0).
    public var supportsMultishotReceive: Bool { operations.contains(cmx_OP_SEND_ZC) }

    /// What this package requires: a single mapping, completions that are never dropped, waits with a timeout, and
    /// submissions that complete only if they fail.
    private static let required = cmx_FEAT_SINGLE_MMAP | cmx_FEAT_NODROP | cmx_FEAT_EXT_ARG | cmx_FEAT_CQE_SKIP

    /// Refuses kernels that are too old. There are no flags for buffer groups, multishot accepts and cancelling
    /// everything; the operation that creates a socket came with them (5.19).
    package func check() throws(MultiplexError) {
      guard flags & Self.required == Self.required, operations.contains(cmx_OP_SOCKET) else {
        throw MultiplexError(call: "io_uring_setup", errno: .noFunction)
      }
    }
  }
}
