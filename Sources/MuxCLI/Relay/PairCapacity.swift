import Synchronization

/// How many pairs of connections a relay may have at a time: what it is allowed, as far as the open files suffice.
final class PairCapacity: Sendable {
  /// For what listens, the connection that is being accepted, a pipe to splice through, and whatever else the relay opens
  /// meanwhile.
  private static let spareDescriptors = 6
  private static let descriptorsPerPair = 2

  let count: Int
  /// Whether it is the open files that allow no more.
  private let isBoundByFiles: Bool
  private let inUse = Atomic(0)
  private let complaint = OccasionalComplaint()

  /// - Parameter limit: nil is as many as there may be open files for.
  /// - Throws: That there can't be one.
  init(atMost limit: Int?) throws {
    try OpenFiles.require(Self.spareDescriptors + Self.descriptorsPerPair)
    let possible = (OpenFiles.vacancies - Self.spareDescriptors) / Self.descriptorsPerPair
    count = min(limit ?? .max, possible)
    isBoundByFiles = possible < limit ?? .max
  }

  /// Counts a pair that is begun. If it is the last that is possible, whoever can raise the limit is told.
  func enter() {
    let (_, pairs) = inUse.add(1, ordering: .relaxed)
    guard isBoundByFiles, pairs >= count else { return }
    complaint.make { _ in
      "the open-file limit allows only \(Quantity.counted(count, "client")); others wait: raise it (ulimit -n)"
    }
  }

  func leave() {
    inUse.subtract(1, ordering: .relaxed)
  }
}
