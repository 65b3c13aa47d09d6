import Foundation

/// The machine and the time of a measurement.
struct Machine: Encodable {
  let kernel: String
  let processor: String
  let processors: Int
  let date: String

  init() {
    kernel = "\(Self.firstLine("/proc/sys/kernel/ostype")) \(Self.firstLine("/proc/sys/kernel/osrelease"))"
    processor = Self.processorName
    processors = ProcessInfo.processInfo.activeProcessorCount
    date = Date().formatted(.iso8601)
  }

  private static func firstLine(_ path: String) -> String {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return String(text.prefix { $0 != "\n" })
  }

  /// The processor's model, or its architecture if the kernel doesn't report the model.
  private static var processorName: String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    guard let name = line?.split(separator: ":").last else { return architecture }
    return name.split(separator: " ").joined(separator: " ")
  }

  private static var architecture: String {
    #if arch(x86_64)
      "x86_64"
    #elseif arch(arm64)
      "arm64"
    #else
      "unknown processor"
    #endif
  }
}
