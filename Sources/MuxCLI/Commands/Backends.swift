import ArgumentParser
import Multiplex

struct Backends: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows which backends work on this machine, and which one 'auto' selects.")

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let report = try BackendReport()
    let text = json ? try JSON.text(report) : report.lines.joined(separator: "\n")
    try Console.write("\(text)\n".utf8)
  }
}
