import Foundation
import Multiplex

/// The descriptors that this process may still open.
enum OpenFiles {
  /// Raises the limit as far as the process may: the usual one of 1024 is soon reached. One that can't be raised is no error,
  /// as it may be enough.
  static func raiseLimit() {
    _ = try? OpenFileLimit.raise()
  }

  /// Says that so many are more than the process may have, and what to do; nil if they aren't.
  static func shortage(of needed: Int) throws(MultiplexError) -> String? {
    let limit = try OpenFileLimit().current
    guard needed > limit else { return nil }
    return """
      \(Quantity.count(needed)) open files, and this process may have \(Quantity.count(limit)): raise the limit (ulimit -n)
      """
  }

  /// How many more there can be. Where /proc isn't there to be asked, as in some sandboxes, the three that every program has
  /// are taken for all.
  static var vacancies: Int {
    guard let limit = try? OpenFileLimit().current else { return 0 }
    // The descriptor that it takes to look may be one too many.
    guard (try? PipeDescriptors()) != nil else { return 0 }
    let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
    // One of the names is that of the folder, which is closed again.
    return max(0, limit - (names.map { $0.count - 1 } ?? 3))
  }

  /// - Throws: That there can't be so many more, and what to do.
  static func require(_ count: Int) throws {
    let vacancies = vacancies
    guard vacancies < count else { return }
    let limit = try OpenFileLimit().current
    throw Failure(
      """
      too few open files: this process may have \(limit), \(vacancies) of them are free, and \(count) are needed; raise the \
      limit (ulimit -n)
      """, .systemError)
  }
}
