import Foundation

/// A thread of this process, as the kernel lists it.
struct ListedThread: Hashable, Sendable {
  private let path: String

  /// The calling thread.
  static var current: ListedThread? {
    guard let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self") else { return nil }
    return ListedThread(path: "/proc/" + link)
  }

  /// Whether it is still running.
  var isAlive: Bool { FileManager.default.fileExists(atPath: path) }
}
