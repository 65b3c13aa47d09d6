import ArgumentParser
import Foundation
import Multiplex

struct Backends: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows how this machine can wait, and which way 'auto' takes.")

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let report = try BackendReport()
    let text = json ? try report.json : report.lines.joined(separator: "\n")
    try Console.write("\(text)\n".utf8)
  }
}
