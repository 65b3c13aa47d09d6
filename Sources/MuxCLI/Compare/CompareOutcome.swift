/// The figures of a comparison.
struct CompareOutcome {
  /// The figures for one number of descriptors.
  struct Row: Encodable {
    let descriptors: Int
    let active: Int
    /// The cost of the reads and writes alone, for a program that knows which descriptors are active.
    let nanosecondsWithoutWaiting: Double
    /// The processor time by backend, including the reads and writes.
    let nanosecondsPerEvent: [String: Double]
  }

  /// The names of the backends that work here.
  var backends: [String] = []
  var rows: [Row] = []
  /// Messages about numbers of descriptors that were skipped, and why.
  var skipped: [String] = []
  /// Other messages.
  var notes: [String] = []
}
