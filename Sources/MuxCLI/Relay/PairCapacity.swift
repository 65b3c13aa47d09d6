import Synchronization

/// The number of pairs of connections that a relay may have at a time, given its own limit and that of open files.
final class PairCapacity: Sendable {
  /// Each thread needs descriptors for a connection that is being accepted, and a pipe to splice through.
  private static let descriptorsPerThread = 3
  /// Descriptors for whatever else the relay opens.
  private static let spareDescriptors = 2
  private static let descriptorsPerPair = 2

  let count: Int
  /// Whether ``count`` is due to the limit of open files.
  private let isBoundByFiles: Bool
  private let inUse = Atomic(0)
  private let warning = RateLimitedWarning()

  /// Determines the capacity. Call it when the listeners are open.
  ///
  /// - Parameters:
  ///   - limit: The maximum number of pairs; nil for as many as the limit of open files allows.
  ///   - threads: The number of threads that relay.
  /// - Throws: A failure if not even one pair is possible.
  init(atMost limit: Int?, threads: Int) throws {
    let reserved = Self.spareDescriptors + threads * Self.descriptorsPerThread
    try OpenFiles.require(reserved + Self.descriptorsPerPair)
    let possible = (OpenFiles.vacancies - reserved) / Self.descriptorsPerPair
    count = min(limit ?? .max, possible)
    isBoundByFiles = possible < limit ?? .max
  }

  /// Counts a new pair. If it is the last that open files allow, prints a warning.
  func enter() {
    let (_, pairs) = inUse.add(1, ordering: .relaxed)
    guard isBoundByFiles, pairs >= count else { return }
    warning.warn { _ in
      "the open-file limit allows only \(Quantity.counted(count, "client")); others wait: raise it (ulimit -n)"
    }
  }

  func leave() {
    inUse.subtract(1, ordering: .relaxed)
  }
}
