package import CMultiplex
internal import SystemPackage

extension Ring {
  /// What the kernel's rings can do, as it says itself.
  public struct Features: Hashable, Sendable {
    /// The kernel's flags (`IORING_FEAT_*`).
    public let flags: UInt32
    /// How the ring was set up (`IORING_SETUP_*`): what the kernel has refused is left out.
    public let setup: UInt32
    /// The operations that the kernel knows (`IORING_OP_*`).
    public let operations: Set<UInt8>

    package init(_ parameters: cmx_ring_params, _ operations: Set<UInt8>) {
      flags = parameters.features
      setup = parameters.flags
      self.operations = operations
    }

    /// Whether the work of completing is done when the ring's one thread asks for it (`IORING_SETUP_DEFER_TASKRUN`, 6.1).
    public var defersWork: Bool { setup & cmx_SETUP_DEFER_TASKRUN != 0 }

    /// Whether receives can go on by themselves. There is no flag for that; sends without a copy came with it (6.0).
    public var supportsMultishotReceive: Bool { operations.contains(cmx_OP_SEND_ZC) }

    /// Whether one receive fills several buffers, and one send takes several (`IORING_FEAT_RECVSEND_BUNDLE`, 6.10).
    public var supportsBundles: Bool { flags & cmx_FEAT_RECVSEND_BUNDLE != 0 }

    /// Whether a wait can be made to last for more than one completion (`IORING_FEAT_MIN_TIMEOUT`, 6.12).
    public var supportsMinimumWait: Bool { flags & cmx_FEAT_MIN_TIMEOUT != 0 }

    /// What this package can't do without: one mapping, completions that are never dropped, waits with a timeout, and
    /// submissions that complete only if they fail.
    private static let required = cmx_FEAT_SINGLE_MMAP | cmx_FEAT_NODROP | cmx_FEAT_EXT_ARG | cmx_FEAT_CQE_SKIP

    /// Refuses kernels that are too old. Groups of buffers, multishot accepts and the cancellation of everything have no flags
    /// of their own; the operation that makes a socket came with them (5.19).
    package func check() throws(MultiplexError) {
      guard flags & Self.required == Self.required, operations.contains(cmx_OP_SOCKET) else {
        throw MultiplexError(call: "io_uring_setup", errno: .noFunction)
      }
    }
  }
}
