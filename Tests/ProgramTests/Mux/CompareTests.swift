import Foundation
import Multiplex
import TestSupport
import Testing

/// `mux compare`, the backends side by side.
@Suite("mux compare")
struct CompareTests {
  @Test("measures every backend that works here with each number of descriptors, in rising order")
  func figures() throws {
    let process = try run(["--descriptors", "40,1,7", "--rounds", "1", "--json"])
    #expect(try process.waitForExit(within: .seconds(120)) == .exited(0), "\(process.errorText)")
    let figures = try JSONDecoder().decode(Figures.self, from: Data(process.output))
    let available = Poller.Backend.allCases.filter { $0.unavailability == nil }.map(\.name)
    #expect(figures.backends == available)
    #expect(figures.rows.map(\.descriptors) == [1, 7, 40])
    // No more can be active than there are.
    #expect(figures.rows.map(\.active) == [1, 7, 10])
    for row in figures.rows {
      #expect(row.nanosecondsPerEvent.keys.sorted() == available.sorted())
      #expect(row.nanosecondsWithoutWaiting > 0)
      #expect(row.nanosecondsPerEvent.values.allSatisfy { $0 > 0 })
    }
    #expect(figures.skipped.isEmpty)
  }

  @Test("shows why epoll exists: with poll and select, an event costs more where more descriptors are idle")
  func cost() throws {
    let process = try run(["--descriptors", "10,2000", "--active", "1", "--rounds", "1", "--json"])
    #expect(try process.waitForExit(within: .seconds(120)) == .exited(0), "\(process.errorText)")
    let rows = try JSONDecoder().decode(Figures.self, from: Data(process.output)).rows
    func growth(_ backend: String) throws -> Double {
      try #require(rows.last?.nanosecondsPerEvent[backend]) / #require(rows.first?.nanosecondsPerEvent[backend])
    }
    // Ten and more on a quiet machine, and about one.
    #expect(try growth("poll") > 2 * growth("epoll"))
    #expect(try growth("select") > 2 * growth("epoll"))
  }

  @Test("prints an aligned table and a chart, and nothing else into a pipe")
  func table() throws {
    let process = try run(["--descriptors", "3,5", "--active", "2", "--rounds", "1"])
    #expect(try process.waitForExit(within: .seconds(120)) == .exited(0))
    #expect(process.errorText.isEmpty)
    let lines = process.outputText.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let header = try #require(lines.firstIndex { $0.contains("DESCRIPTORS") })
    #expect(lines[header].contains("EPOLL") && lines[header].hasSuffix("NO WAITING"))
    #expect(lines[header + 1].count == lines[header].count && lines[header + 2].count == lines[header].count)
    // A bar for each cell.
    let cells = 2 * (Poller.Backend.allCases.count { $0.unavailability == nil } + 1)
    #expect(lines.count { $0.contains("█") } == cells)
  }

  @Test("tells how far it has come on a terminal", .enabled(if: Executable.installed("script") != nil))
  func progress() throws {
    let command = "\(try Executable.built("mux")) compare --descriptors 4 --rounds 2"
    let terminal = try ChildProcess(try #require(Executable.installed("script")), ["-qec", command, "/dev/null"])
    try terminal.expect("4 descriptors, round 1 of 2: epoll")
    try terminal.expect("round 2 of 2: epoll")
    #expect(try terminal.waitForExit(within: .seconds(120)) == .exited(0))
  }

  @Test("leaves out what the limit of open files doesn't allow, and says how to raise it")
  func openFiles() throws {
    let process = try run(["--descriptors", "5,1000", "--rounds", "1", "--json"], openFileLimit: 100)
    #expect(try process.waitForExit(within: .seconds(120)) == .exited(0))
    let figures = try JSONDecoder().decode(Figures.self, from: Data(process.output))
    #expect(figures.rows.map(\.descriptors) == [5])
    #expect(figures.skipped.count == 1)
    #expect(process.errorText.contains("skipping 1,000 descriptors"))
    #expect(process.errorText.contains("ulimit -n"))
  }

  @Test("fails where the limit of open files allows nothing at all, and says what each would need")
  func nothingPossible() throws {
    let folder = try TemporaryFolder()
    let process = try run(["--report", folder.file("report.html")], openFileLimit: 20)
    #expect(try process.waitForExit() == .exited(71))
    #expect(process.outputText.isEmpty)
    let lines = process.errorText.split(separator: "\n")
    #expect(lines.count == 4 && lines.allSatisfy { $0.contains("skipping") && $0.contains("ulimit -n") })
    #expect(process.errorText.contains("mux: skipping 10 descriptors: they need 42 open files"))
    #expect(!folder.exists("report.html"))
  }

  @Test("prints JSON without a row where nothing is possible")
  func nothingPossibleInJSON() throws {
    let process = try run(["--descriptors", "10,1000", "--json"], openFileLimit: 20)
    #expect(try process.waitForExit() == .exited(71))
    let figures = try JSONDecoder().decode(Figures.self, from: Data(process.output))
    #expect(figures.rows.isEmpty)
    #expect(figures.skipped.count == 2)
  }

  @Test(
    "refuses what is no list of numbers, and numbers out of range",
    arguments: [
      ["--descriptors", ""], ["--descriptors", "10,"], ["--descriptors", "0"], ["--descriptors", "ten"],
      ["--descriptors", "10000000"], ["--descriptors", "-1"], ["--active", "0"], ["--rounds", "0"],
    ])
  func badOptions(arguments: [String]) throws {
    let process = try run(arguments)
    #expect(try process.waitForExit() == .exited(64))
    #expect(process.errorText.contains(arguments[0]) && process.errorText.contains("from 1 to"))
    #expect(process.errorText.split(separator: "\n").count == 1)
    #expect(process.outputText.isEmpty)
  }

  @Test("writes a report that is well-formed and needs nothing else")
  func report() throws {
    let folder = try TemporaryFolder()
    let file = folder.file("<report> & 'more'.html")
    let process = try run(["--descriptors", "5,50,9000", "--rounds", "1", "--report", file], openFileLimit: 200)
    #expect(try process.waitForExit(within: .seconds(120)) == .exited(0), "\(process.errorText)")
    let report = try HTMLReport(file)
    #expect(report.elements["svg"] == 1)
    for words in [
      "Kernel", "Processor", "no waiting", "descriptors that are waited for", "skipping 9,000 descriptors",
    ] {
      #expect(report.text.contains(words))
    }
    for backend in Poller.Backend.allCases where backend.unavailability == nil {
      #expect(report.text.contains("\n\(backend.name)\n"))
    }
  }

  @Test("says that a report can't be written before it does the work")
  func badReport() throws {
    let process = try run(["--report", "/nowhere/report.html"])
    #expect(try process.waitForExit() == .exited(73))
    #expect(process.errorText.contains("/nowhere/report.html"))
  }
}

extension CompareTests {
  /// What the tests read of the JSON.
  private struct Figures: Decodable {
    struct Row: Decodable {
      let descriptors: Int
      let active: Int
      let nanosecondsWithoutWaiting: Double
      let nanosecondsPerEvent: [String: Double]
    }

    let backends: [String]
    let rows: [Row]
    let skipped: [String]
  }

  private func run(_ arguments: [String], openFileLimit: Int? = nil) throws -> ChildProcess {
    try ChildProcess.mux(["compare"] + arguments, openFileLimit: openFileLimit)
  }
}
