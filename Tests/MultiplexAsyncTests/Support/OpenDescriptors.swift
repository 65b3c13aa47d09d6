import Foundation

/// How many descriptors of a kind this process has open: "eventfd", "eventpoll".
///
/// Tests that run in parallel have some too.
func openDescriptors(ofKind kind: String) -> Int {
  let folder = "/proc/self/fd"
  let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
  return names.count { name in
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)"))?.contains("[\(kind)]") ?? false
  }
}
