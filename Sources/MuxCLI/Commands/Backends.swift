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
    if json {
      Console.print(try report.json)
    } else {
      report.lines.forEach(Console.print)
    }
  }
}
