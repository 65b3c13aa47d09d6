internal import Multiplex
package import SystemPackage

/// The processor time that the process may use, as limited for containers: each of its control groups (cgroup v2) may
/// have a quota, and the smallest applies.
package enum ProcessorQuota {
  /// In processors, rounded up; nil without a quota.
  package static var current: Int? {
    current(membership: "/proc/self/cgroup", root: "/sys/fs/cgroup")
  }

  /// - Parameters:
  ///   - membership: The file that names the process's group.
  ///   - root: The directory of the groups.
  package static func current(membership: FilePath, root: FilePath) -> Int? {
    // The line of version 2: "0::/system.slice/server.service".
    let line = SystemFile.contents(of: membership)?.split(separator: "\n").first { $0.hasPrefix("0::/") }
    guard let group = line?.dropFirst("0::/".count) else { return nil }
    var directory = root
    var quotas = [quota(of: directory)]
    for name in group.split(separator: "/") {
      directory.append(String(name))
      quotas.append(quota(of: directory))
    }
    return quotas.compactMap { $0 }.min()
  }

  /// - Returns: nil for a group without a quota, or one that isn't visible from here.
  private static func quota(of directory: FilePath) -> Int? {
    // "200000 100000": microseconds of processor time per period, in microseconds; "max 100000" for no limit.
    let words = SystemFile.contents(of: directory.appending("cpu.max"))?.split(whereSeparator: \.isWhitespace) ?? []
    let numbers = words.compactMap { Int($0) }
    guard numbers.count == 2, numbers[1] > 0 else { return nil }
    let (time, period) = (numbers[0], numbers[1])
    return max(1, (time + period - 1) / period)
  }
}
