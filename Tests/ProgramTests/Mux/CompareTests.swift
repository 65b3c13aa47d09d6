import Foundation
import Multiplex
import TestSupport
import Testing

/// `mux compare`, which compares the backends.
@Suite("mux compare")
struct CompareTests {
  @Test("measures every available backend with each number of descriptors, in ascending order")
  func figures() throws {
    let process = try run(["--descriptors", "40,1,7", "--rounds", "1", "--json"])
    #expect(try process.waitForExit(within: .seconds(120)) == .exited(0), "\(process.errorText)")
    let figures = try JSONDecoder().decode(Figures.self, from: Data(process.output))
    let available = Poller.Backend.allCases.filter { $0.unavailability == nil }.map(\.name)
    #expect(figures.backends == available)
    #expect(figures.rows.map(\.descriptors) == [1, 7, 40])
    // At most all of them are active.
    #expect(figures.rows.map(\.active) == [1, 7, 10])
    for row in figures.rows {
      #expect(row.nanosecondsPerEvent.keys.sorted() == available.sorted())
      #expect(row.nanosecondsWithoutWaiting > 0)
      #expect(row.nanosecondsPerEvent.values.allSatisfy { $0 > 0 })
    }
    #expect(figures.skipped.isEmpty)
  }

  @Test("shows that idle descriptors make events more expensive with poll and select, but not with epoll")
  func cost() throws {
    let process = try run(["--descriptors", "10,2000", "--active", "1", "--rounds", "1", "--json"])
    #expect(try process.waitForExit(within: .seconds(120)) == .exited(0), "\(process.errorText)")
    let rows = try JSONDecoder().decode(Figures.self, from: Data(process.output)).rows
    func growth(_ backend: String) throws -> Double {
      try #require(rows.last?.nanosecondsPerEvent[backend]) / #require(rows.first?.nanosecondsPerEvent[backend])
    }
    // Ten or more on a quiet machine, compared with about one.
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

  @Test("says how many descriptors are active at most", arguments: [("5", "5 active"), ("5,20", "up to 10 active")])
  func activity(descriptors: String, words: String) throws {
    let process = try run(["--descriptors", descriptors, "--active", "10", "--rounds", "1"])
    #expect(try process.waitForExit(within: .seconds(120)) == .exited(0))
    #expect(process.outputText.contains(", \(words) at a time"))
  }

  @Test("shows the progress of a comparison on a terminal", .enabled(if: Executable.installed("script") != nil))
  func progress() throws {
    let command = "\(try Executable.built("mux")) compare --descriptors 4 --rounds 2"
    let terminal = try ChildProcess(try #require(Executable.installed("script")), ["-qec", command, "/dev/null"])
    try terminal.expect("4 descriptors, round 1 of 2: epoll")
    try terminal.expect("round 2 of 2: epoll")
    #expect(try terminal.waitForExit(within: .seconds(120)) == .exited(0))
  }

  @Test(
    "cuts its progress to the width of the terminal, and shows none on one that can't erase a line",
    .enabled(if: Executable.installed("script") != nil && Executable.installed("stty") != nil))
  func narrowTerminal() throws {
    for isDumb in [false, true] {
      let command = "stty cols 20; TERM=\(isDumb ? "dumb" : "xterm") \(try Executable.built("mux")) compare "
      let terminal = try ChildProcess(
        try #require(Executable.installed("script")),
        ["-qec", "\(command) --descriptors 4 --rounds 1 >/dev/null", "/dev/null"])
      #expect(try terminal.waitForExit(within: .seconds(120)) == .exited(0))
      let lines = terminal.outputText.split(separator: "\r\u{1b}[K")
      #expect(isDumb ? terminal.output.isEmpty : lines.contains("4 descriptors, roun"))
      #expect(lines.allSatisfy { $0.count < 20 })
    }
  }

  @Test("skips numbers of descriptors that the open-file limit doesn't allow, and says how to raise it")
  func openFiles() throws {
    let process = try run(["--descriptors", "5,1000", "--rounds", "1", "--json"], openFileLimit: 100)
    #expect(try process.waitForExit(within: .seconds(120)) == .exited(0))
    let figures = try JSONDecoder().decode(Figures.self, from: Data(process.output))
    #expect(figures.rows.map(\.descriptors) == [5])
    #expect(figures.skipped.count == 1)
    #expect(process.errorText.contains("skipping 1,000 descriptors"))
    #expect(process.errorText.contains("ulimit -n"))
  }

  @Test("fails if the open-file limit allows no comparison at all, and says what each would need")
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

  @Test("prints JSON without rows if the open-file limit allows no comparison at all")
  func nothingPossibleInJSON() throws {
    let process = try run(["--descriptors", "10,1000", "--json"], openFileLimit: 20)
    #expect(try process.waitForExit() == .exited(71))
    let figures = try JSONDecoder().decode(Figures.self, from: Data(process.output))
    #expect(figures.rows.isEmpty)
    #expect(figures.skipped.count == 2)
  }

  @Test(
    "rejects malformed lists and numbers out of range",
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

  @Test("writes a well-formed, self-contained report of a comparison")
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

  @Test("writes a report to a named pipe")
  func reportToNamedPipe() throws {
    let folder = try TemporaryFolder()
    let command = """
      mkfifo "$1/pipe" && { cat "$1/pipe" > "$1/report.html" & }
      exec "$0" compare --descriptors 1 --rounds 1 --report "$1/pipe"
      """
    let process = try ChildProcess("/bin/sh", ["-c", command, try Executable.built("mux"), folder.path])
    // The reader holds standard error open until it has ended, too.
    #expect(try process.waitForExit(within: .seconds(120)) == .exited(0), "\(process.errorText)")
    #expect(try HTMLReport(folder.file("report.html")).elements["svg"] == 1)
  }

  @Test("reports before the comparison that a report can't be written")
  func badReport() throws {
    let process = try run(["--report", "/nowhere/report.html"])
    #expect(try process.waitForExit() == .exited(73))
    #expect(process.errorText.contains("/nowhere/report.html"))
  }
}

extension CompareTests {
  /// The part of the JSON that the tests read.
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
