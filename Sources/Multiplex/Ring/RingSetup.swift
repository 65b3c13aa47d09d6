internal import CMultiplex
internal import SystemPackage

/// Makes a ring with the best flags that the kernel supports: optional ones are tried, and dropped one after another.
enum RingSetup {
  /// Flags that change nothing but the cost, the newest first.
  private static let optional: [UInt32] = [
    cmx_SETUP_NO_SQARRAY,
    cmx_SETUP_DEFER_TASKRUN,
    cmx_SETUP_SINGLE_ISSUER,
    // Requires one of the two flags that defer work.
    cmx_SETUP_TASKRUN_FLAG,
    cmx_SETUP_COOP_TASKRUN,
    cmx_SETUP_SUBMIT_ALL,
  ]

  /// - Parameters:
  ///   - entries: Room for submissions.
  ///   - completions: Room for completions; nil for the kernel's default.
  ///   - isSingleIssuer: Whether only one thread uses the ring.
  ///   - parameters: Filled in with what the kernel has set up.
  static func perform(
    entries: UInt32, completions: UInt32?, isSingleIssuer: Bool, _ parameters: inout cmx_ring_params
  ) throws(MultiplexError) -> OwnedDescriptor {
    var flags = cmx_SETUP_CLAMP | cmx_SETUP_NO_SQARRAY | cmx_SETUP_SUBMIT_ALL
    if isSingleIssuer {
      // Disabled until its thread first submits, as another thread may make the ring.
      flags |= cmx_SETUP_R_DISABLED | cmx_SETUP_SINGLE_ISSUER | cmx_SETUP_DEFER_TASKRUN | cmx_SETUP_COOP_TASKRUN
      flags |= cmx_SETUP_TASKRUN_FLAG
    }
    if completions != nil { flags |= cmx_SETUP_CQSIZE }
    var remaining = optional[...]
    while true {
      parameters = cmx_ring_params()
      parameters.flags = flags
      parameters.cq_entries = completions ?? 0
      do {
        return OwnedDescriptor(adopting: try Kernel.ringSetup(entries, &parameters))
      } catch .invalidArgument where !remaining.isEmpty {
        flags &= ~remaining.removeFirst()
      } catch {
        throw MultiplexError(call: "io_uring_setup", errno: error)
      }
    }
  }

  /// Whether the ring has to be enabled by its only thread.
  static func hasSingleIssuer(_ parameters: cmx_ring_params) -> Bool {
    parameters.flags & cmx_SETUP_R_DISABLED != 0
  }

  /// The operations that the kernel supports; none if it can't be probed (before 5.6).
  static func operations(of fd: Int32) -> Set<UInt8> {
    var probe = cmx_probe()
    let isProbed = unsafe withUnsafeMutablePointer(to: &probe) { probe in
      (try? unsafe Kernel.ringRegister(fd, cmx_REGISTER_PROBE, probe, UInt32(cmx_PROBED_OPERATIONS))) != nil
    }
    guard isProbed else { return [] }
    // The kernel has filled in `count` of the array's elements.
    return unsafe withUnsafeBytes(of: &probe.operations) { bytes in
      let operations = unsafe bytes.bindMemory(to: cmx_probed_operation.self).prefix(Int(probe.count))
      let supported: UInt16 = 1
      return Set(unsafe operations.filter { $0.flags & supported != 0 }.map(\.opcode))
    }
  }
}
