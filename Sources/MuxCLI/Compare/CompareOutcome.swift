/// The result of a comparison.
struct CompareOutcome {
  /// One number of descriptors.
  struct Row: Encodable {
    let descriptors: Int
    let active: Int
    /// The reads and writes alone, as done by somebody who knows which descriptors are active.
    let nanosecondsWithoutWaiting: Double
    /// Processor time, reading and writing included, by backend.
    let nanosecondsPerEvent: [String: Double]
  }

  /// The names of those that work here.
  var backends: [String] = []
  var rows: [Row] = []
  /// Numbers of descriptors that can't be had, and why.
  var skipped: [String] = []
  /// What else there is to know.
  var notes: [String] = []
}
