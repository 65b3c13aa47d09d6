import Foundation

/// A thread of this process, as the kernel lists it.
struct ListedThread: Hashable, Sendable {
  private let path: String

  /// The calling thread.
  static var current: ListedThread? {
    guard let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self") else { return nil }
    return ListedThread(path: "/proc/" + link)
  }

  /// What tools that list threads show.
  var name: String? { try? String(contentsOfFile: path + "/comm", encoding: .utf8).trimmingCharacters(in: .newlines) }

  /// Whether it is still running.
  var isAlive: Bool { FileManager.default.fileExists(atPath: path) }
}
