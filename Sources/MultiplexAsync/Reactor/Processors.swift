internal import Multiplex
internal import SystemPackage

/// The processors of this machine.
enum Processors {
  /// In bytes. The most processors that a kernel may support, one bit each: it refuses masks shorter than its own.
  private static let maskSize = 8192 / 8

  /// How many the process may use: those that it may run on, which `taskset` may have restricted, or in a container,
  /// the number that its quota of processor time corresponds to, if smaller. At least 1.
  static var usable: Int {
    var mask = [UInt8](repeating: 0, count: maskSize)
    let length = unsafe mask.withUnsafeMutableBytes { try? unsafe Kernel.affinity($0) }
    let allowed = mask.prefix(length ?? 0).reduce(0) { $0 + $1.nonzeroBitCount }
    return max(1, min(allowed, ProcessorQuota.current ?? allowed))
  }
}
