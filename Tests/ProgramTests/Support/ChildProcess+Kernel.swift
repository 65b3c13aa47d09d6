import Foundation
import TestSupport
import Testing

/// What the kernel says of a program that runs.
extension ChildProcess {
  /// How many sockets it has open.
  var openSockets: Int {
    let folder = "/proc/\(processID)/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.count { name in
      let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")
      return target?.hasPrefix("socket:") ?? false
    }
  }

  /// Its resident memory, in KiB.
  var residentKiB: Int {
    get throws { try kibibytes("VmRSS") }
  }

  /// The most resident memory that it ever had, in KiB.
  var peakResidentKiB: Int {
    get throws { try kibibytes("VmHWM") }
  }

  private func kibibytes(_ name: String) throws -> Int {
    let text = try String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(name):") })
    return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
  }
}
