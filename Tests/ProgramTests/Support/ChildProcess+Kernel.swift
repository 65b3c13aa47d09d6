import Foundation
import TestSupport
import Testing

/// What the kernel reports about a running program.
extension ChildProcess {
  /// The number of its open sockets.
  var openSockets: Int { openDescriptors(of: "\(processID)").count { $0.hasPrefix("socket:") } }

  /// Whether one of its threads runs, or waits only for a processor.
  var isBusy: Bool {
    threads.contains { KernelStatus("\($0)/stat")?.isRunnable ?? false }
  }

  /// Whether a signal has stopped all of its threads.
  var isStopped: Bool {
    threads.allSatisfy { KernelStatus("\($0)/stat")?.isStopped ?? true }
  }

  /// The names of its threads, those that the kernel runs for it included.
  var threadNames: [String] {
    threads.compactMap { try? String(contentsOfFile: "\($0)/comm", encoding: .utf8) }
  }

  /// Whether one of its threads opens a named pipe, and waits until somebody opens the other side. That is the kernel's
  /// function in which it waits, which only the privileged are told.
  var isOpeningNamedPipe: Bool {
    threads.contains { (try? String(contentsOfFile: "\($0)/wchan", encoding: .utf8)) == "wait_for_partner" }
  }

  /// The directories of its threads.
  private var threads: [String] {
    let directory = "/proc/\(processID)/task"
    return ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).map { "\(directory)/\($0)" }
  }

  /// Returns the signals that are blocked ("SigBlk"), ignored ("SigIgn") or pending ("ShdPnd").
  func signalMask(_ name: String) -> [Int32] {
    let text = (try? String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("\(name):") }
    let word = line?.split(separator: "\t").last ?? "0"
    let bits = UInt64(word, radix: 16) ?? 0
    return (1...64).filter { bits & 1 << (UInt64($0) - 1) != 0 }
  }

  /// Sends a signal repeatedly, because signals that follow the first closely count as the same request.
  ///
  /// - Returns: Whether the process has ended.
  func endsOfRepeated(_ number: Int32) -> Bool {
    eventually {
      signal(number)
      return !isRunning
    }
  }

  /// Its resident memory, in KiB.
  var residentKiB: Int {
    get throws { try kibibytes("VmRSS") }
  }

  /// Its peak resident memory, in KiB.
  var peakResidentKiB: Int {
    get throws { try kibibytes("VmHWM") }
  }

  private func kibibytes(_ name: String) throws -> Int {
    let text = try String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(name):") })
    return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
  }
}
