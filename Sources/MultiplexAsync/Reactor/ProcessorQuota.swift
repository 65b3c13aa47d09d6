internal import Multiplex
package import SystemPackage

/// How much processor time the kernel lets the process have, as containers are given it: the control groups (cgroup v2)
/// that it is in may each have a quota, of which the smallest counts.
package enum ProcessorQuota {
  /// In processors, rounded up; nil without a quota.
  package static var current: Int? {
    current(membership: "/proc/self/cgroup", root: "/sys/fs/cgroup")
  }

  /// - Parameters:
  ///   - membership: The file that names the process's group.
  ///   - root: Where the groups are found as folders.
  package static func current(membership: FilePath, root: FilePath) -> Int? {
    // The line of version 2: "0::/system.slice/server.service".
    let line = SystemFile.contents(of: membership)?.split(separator: "\n").first { $0.hasPrefix("0::/") }
    guard let group = line?.dropFirst("0::/".count) else { return nil }
    var folder = root
    var quotas = [quota(of: folder)]
    for name in group.split(separator: "/") {
      folder.append(String(name))
      quotas.append(quota(of: folder))
    }
    return quotas.compactMap { $0 }.min()
  }

  /// - Returns: nil for a group without a quota, or one that can't be seen from here.
  private static func quota(of folder: FilePath) -> Int? {
    // "200000 100000": so many microseconds in each period of so many; "max 100000" for no limit.
    let words = SystemFile.contents(of: folder.appending("cpu.max"))?.split(whereSeparator: \.isWhitespace) ?? []
    let numbers = words.compactMap { Int($0) }
    guard numbers.count == 2, numbers[1] > 0 else { return nil }
    let (time, period) = (numbers[0], numbers[1])
    return max(1, (time + period - 1) / period)
  }
}
