internal import Multiplex

extension Readiness {
  /// What a poll has found.
  ///
  /// Priority data can't be told from other input: the kernel reports what has woken the poll, and any input announces
  /// both.
  init(foundBy completion: Ring.Completion) {
    self.init(kernelBits: UInt32(bitPattern: completion.result))
  }
}
