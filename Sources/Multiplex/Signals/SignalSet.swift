internal import CMultiplex

/// A set of signals in the kernel's format: bit n - 1 for signal n.
struct SignalSet: Sendable {
  private(set) var mask: UInt64 = 0

  init() {}

  /// - Parameters:
  ///   - signals: Their numbers.
  ///   - call: The operation that they are for.
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` for numbers that aren't signals, or can't be received.
  init(_ signals: [Int32], for call: String) throws(MultiplexError) {
    for signal in signals {
      // The C library reserves some for itself.
      var set = sigset_t()
      guard (1...64).contains(signal), unsafe sigaddset(&set, signal) == 0 else {
        throw .outOfRange("signal \(signal)", for: call, advice: "there is no such signal")
      }
      guard signal != SIGKILL, signal != SIGSTOP else {
        throw .outOfRange("signal \(signal)", for: call, advice: "SIGKILL and SIGSTOP can't be received by any program")
      }
      insert(signal)
    }
  }

  var isEmpty: Bool { mask == 0 }

  /// In ascending order.
  var numbers: [Int32] { (1...64).filter(contains) }

  func contains(_ signal: Int32) -> Bool { mask & Self.bit(signal) != 0 }

  mutating func insert(_ signal: Int32) { mask |= Self.bit(signal) }

  /// Returns the signals that are also in a mask.
  func intersection(_ mask: UInt64) -> SignalSet {
    var copy = self
    copy.mask &= mask
    return copy
  }

  /// The set in its C form.
  var sigset: sigset_t { Self.sigset(of: numbers) }

  /// Makes a set in its C form. Numbers that aren't signals are skipped.
  static func sigset(of numbers: [Int32]) -> sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in numbers { _ = unsafe sigaddset(&set, number) }
    return set
  }

  private static func bit(_ signal: Int32) -> UInt64 { 1 << UInt64(signal - 1) }
}
