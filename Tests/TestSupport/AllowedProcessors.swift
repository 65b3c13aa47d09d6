import Foundation

/// How many processors a process may run on, as the kernel lists them; nil if there is no such process.
///
/// - Parameter process: The process's ID; this one's by default.
public func allowedProcessors(of process: Int32? = nil) -> Int? {
  let directory = process.map(String.init) ?? "self"
  guard let status = try? String(contentsOfFile: "/proc/\(directory)/status", encoding: .utf8),
    let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed:") })
  else { return nil }
  // Hexadecimal words separated by commas.
  return line.dropFirst("Cpus_allowed:".count).compactMap(\.hexDigitValue).reduce(0) { $0 + $1.nonzeroBitCount }
}
