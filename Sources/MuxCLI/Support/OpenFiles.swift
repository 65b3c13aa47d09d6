import Foundation
import Multiplex

/// The descriptors that this process may still open.
enum OpenFiles {
  /// How many more there can be; 0 where that can't be found out, for want of one to ask with.
  static var vacancies: Int {
    guard let limit = try? OpenFileLimit().current,
      let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
    else { return 0 }
    // One of the names is that of the folder, which is closed again.
    return max(0, limit - (names.count - 1))
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
