internal import Foundation

/// What the open descriptors of a process refer to, as the kernel names it: "socket:[4711]", "/dev/null",
/// "anon_inode:[eventpoll]".
///
/// - Parameter process: "self", or a process ID.
public func openDescriptors(of process: String = "self") -> [String] {
  let folder = "/proc/\(process)/fd"
  let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
  return names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)") }
}

/// How many descriptors of a kind this process has open: "eventfd", "eventpoll", "io_uring".
///
/// Tests that run in parallel have some too.
public func openDescriptors(ofKind kind: String) -> Int {
  openDescriptors().count { $0.contains("[\(kind)]") }
}
