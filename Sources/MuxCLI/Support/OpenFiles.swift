import Foundation
import Multiplex

/// The descriptors that this process may still open.
enum OpenFiles {
  /// How many more there can be. Where /proc isn't there to be asked, as in some sandboxes, the three that every program has
  /// are taken for all.
  static var vacancies: Int {
    guard let limit = try? OpenFileLimit().current else { return 0 }
    // The descriptor that it takes to look may be one too many.
    guard (try? Pipe()) != nil else { return 0 }
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
