internal import Foundation

/// The status of a process or a thread, as the kernel reports it in a `stat` file under /proc: see proc(5).
public struct KernelStatus {
  /// The fields after the name, which stands in parentheses: the state, and then numbers.
  private let fields: [Substring]

  /// Reads the status; nil if the process or the thread has ended.
  public init?(_ path: String) {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8), let end = text.lastIndex(of: ")") else {
      return nil
    }
    fields = text[text.index(after: end)...].split(separator: " ")
  }

  /// Whether it runs, or waits only for a processor.
  public var isRunnable: Bool { fields.first == "R" }

  /// Whether a signal has stopped it.
  public var isStopped: Bool { fields.first == "T" }

  /// Whether it waits for something, in a way that signals interrupt.
  public var isAsleep: Bool { fields.first == "S" }

  /// The processor time used so far, in the kernel's ticks of a hundredth of a second.
  public var processorTicks: Int? {
    let (userTime, systemTime) = (11, 12)
    guard fields.count > systemTime, let user = Int(fields[userTime]), let system = Int(fields[systemTime]) else {
      return nil
    }
    return user + system
  }
}
