import Foundation
import Multiplex

/// The limit on open files, and how much of it is left.
enum OpenFiles {
  /// Raises the limit as far as the process may: the usual limit of 1024 is soon reached. Failing to raise it isn't an
  /// error, because the present limit may be enough.
  static func raiseLimit() {
    _ = try? OpenFileLimit.raise()
  }

  /// Returns a message if `needed` exceeds the limit: how many open files are needed, and what to do; nil otherwise.
  static func shortage(of needed: Int) throws(MultiplexError) -> String? {
    let limit = try OpenFileLimit().current
    guard needed > limit else { return nil }
    return """
      \(Quantity.count(needed)) open files, but this process may have only \(Quantity.count(limit)): \
      raise the limit (ulimit -n)
      """
  }

  /// The number of files that can still be opened. Without /proc, as in some sandboxes, only the three standard streams
  /// are assumed to be open.
  static var vacancies: Int {
    guard let limit = try? OpenFileLimit().current else { return 0 }
    // Listing the directory takes a descriptor, which may be one too many.
    guard (try? PipeDescriptors()) != nil else { return 0 }
    let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
    // One of the names is the descriptor of the directory itself, which is closed again.
    return max(0, limit - (names.map { $0.count - 1 } ?? 3))
  }

  /// Checks that `count` more files can be opened.
  ///
  /// - Throws: A failure that says what to do if they can't.
  static func require(_ count: Int) throws {
    let vacancies = vacancies
    guard vacancies < count else { return }
    let limit = try OpenFileLimit().current
    throw Failure(
      """
      not enough open files: the limit is \(limit), \(vacancies) are free, \(count) are needed; raise the limit (ulimit -n)
      """, .systemError)
  }
}
