internal import Multiplex

extension Readiness {
  /// What a poll has found.
  ///
  /// Of a wakeup, the kernel reports what has caused it, and any input announces priority data too: see
  /// `Ring.Completion.foundPriority`.
  init(foundBy completion: Ring.Completion) {
    self.init(kernelBits: UInt32(bitPattern: completion.result))
  }
}
