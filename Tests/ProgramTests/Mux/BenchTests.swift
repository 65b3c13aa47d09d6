import Foundation
import Multiplex
import TestSupport
import Testing

/// `mux bench`, the load generator.
@Suite("mux bench")
struct BenchTests {
  // MARK: Measuring

  @Test("measures a server on each backend, with consistent figures", arguments: usableBackends)
  func figures(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let figures = try bench(
      "\(server.address)", "--backend", backend.name, "--duration", "0.4", "--warmup", "0.1", "--connections", "8",
      "--size", "100", "--pipeline", "3")
    #expect(figures.backend == backend.name)
    #expect(figures.requests > 0)
    #expect(figures.seconds >= 0.4)
    expectAgreement(figures)
    #expect(figures.lostConnections == 0 && figures.unanswered == 0)
    // Each point is a rate, at the middle of its interval: the intervals add up to the whole run.
    var (covered, counted) = (0.0, 0.0)
    for point in figures.throughput {
      let time = 2 * (point.seconds - covered)
      #expect(time > 0)
      covered += time
      counted += point.requestsPerSecond * time
    }
    #expect(abs(covered - figures.seconds) < 0.001)
    #expect(abs(counted - Double(figures.responsesInTime)) < 0.5)
  }

  @Test("the rates are those of the measured time, whatever is awaited after it")
  func straggler() throws {
    _ = try OddServer.serving(.ignoresFirst) { address in
      let arguments = [
        "--connections", "4", "--pipeline", "100", "--duration", "0.5", "--warmup", "0", "--rate", "400",
      ]
      let process = try run(["\(address)", "--json", "--timeout", "1"] + arguments)
      let figures = try figures(of: process, status: 74)
      #expect(figures.seconds == 0.5)
      #expect(figures.waitSeconds >= 0.5)
      // A quarter of the messages is due on the connection that gets no answer.
      #expect(figures.requests == 150 && figures.unanswered == 50)
      #expect(figures.requestsPerSecond * 0.5 == Double(figures.responsesInTime))
      #expect(process.errorText.contains("schedule not met: 300 of 400 requests/s"))
    }
  }

  @Test("a response that comes after the duration is counted, but not in the rates")
  func lateResponse() throws {
    _ = try OddServer.serving(.stalls(.seconds(1))) { address in
      let figures = try bench("\(address)", "--duration", "0.3", "--warmup", "0", "--connections", "1")
      #expect(figures.requests == 1 && figures.latency.count == 1)
      #expect(figures.responsesInTime == 0 && figures.requestsPerSecond == 0)
      #expect(figures.seconds == 0.3 && figures.waitSeconds > 0.3)
    }
  }

  @Test("slow responses don't mean that a schedule wasn't met")
  func slowButOnSchedule() throws {
    _ = try OddServer.serving(.stalls(.milliseconds(500))) { address in
      let arguments = [
        "--duration", "0.3", "--warmup", "0", "--connections", "1", "--pipeline", "100", "--rate", "100",
      ]
      let process = try run(["\(address)", "--json"] + arguments)
      #expect(try figures(of: process).requests == 30)
      #expect(process.errorText.isEmpty)
    }
  }

  @Test("begins no message after the duration, however many are allowed in flight")
  func durationEndsSending() throws {
    var requests = 0
    let seen = try OddServer.serving(.none) { address in
      let figures = try bench(
        "\(address)", "--duration", "0.3", "--warmup", "0", "--connections", "2", "--size", "100000", "--pipeline",
        "100000", "--timeout", "25")
      #expect(figures.seconds == 0.3)
      #expect(figures.unanswered == 0 && !figures.isGivenUp)
      requests = figures.requests
    }
    #expect(requests > 0 && seen.bytes == 100_000 * requests)
  }

  @Test("what waits to be sent when the warm-up ends isn't in the way of the measured messages")
  func endOfWarmUp() throws {
    let server = try MuxServer()
    let figures = try bench(
      "\(server.address)", "--duration", "0.3", "--warmup", "0.3", "--connections", "2", "--size", "100000",
      "--pipeline", "100000", "--timeout", "25")
    #expect(figures.requests > 0)
  }

  @Test("waits no longer than --timeout after the duration, even if responses are still arriving")
  func boundedWait() throws {
    _ = try OddServer.serving(.trickles) { address in
      let arguments = [
        "--connections", "1", "--size", "65536", "--duration", "0.2", "--warmup", "0", "--timeout", "0.5",
      ]
      let process = try run(["\(address)", "--json"] + arguments)
      let figures = try figures(of: process)
      #expect(figures.requests == 0 && figures.unanswered == 1 && figures.lostConnections == 0)
      #expect(figures.waitSeconds >= 0.5)
      #expect(figures.isGivenUp && process.errorText.contains("still arriving when --timeout ended the wait"))
    }
  }

  @Test("sends exactly the requested number of messages, of the requested size and over the requested connections")
  func exactRequests() throws {
    let seen = try OddServer.serving(.none) { address in
      let figures = try bench("\(address)", "--requests", "1000", "--size", "33", "--connections", "7")
      #expect(figures.requests == 1000)
      expectAgreement(figures)
    }
    #expect(seen.connections == 7)
    #expect(seen.bytes == 33_000)
  }

  @Test("fills the pipeline with messages longer than any buffer", arguments: usableBackends)
  func longMessages(backend: Poller.Backend) throws {
    let server = try MuxServer()
    let figures = try bench(
      "\(server.address)", "--backend", backend.name, "--requests", "60", "--size", "1000000", "--pipeline", "8",
      "--connections", "2")
    #expect(figures.requests == 60)
    expectAgreement(figures)
  }

  @Test("measures a server on a Unix socket")
  func unixSocket() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("socket")
    let server = try MuxServer(.automatic, ["--unix", path])
    for arguments in [["unix:\(path)"], [path], ["--unix", path]] {
      let figures = try figures(of: run(arguments + ["--requests", "200", "--connections", "100", "--json"]))
      #expect(figures.requests == 200)
    }
    #expect(server.process.isRunning)
  }

  @Test("prints aligned tables of a measurement, and nothing else into a pipe")
  func table() throws {
    let server = try MuxServer()
    let process = try run(["\(server.address)", "--requests", "500"])
    #expect(try process.waitForExit() == .exited(0))
    #expect(process.errorText.isEmpty)
    let lines = process.outputText.split(separator: "\n", omittingEmptySubsequences: false)
    let header = try #require(lines.firstIndex { $0.contains("REQUESTS ") })
    #expect(lines[header].count == lines[header + 1].count)
    #expect(lines[header + 1].split(separator: " ").first == "500")
    let latencies = try #require(lines.firstIndex { $0.hasPrefix("LATENCY") })
    #expect(lines[latencies].count == lines[latencies + 1].count)
    #expect(lines[latencies].contains("P99.9"))
  }

  @Test("shows the progress of a measurement on a terminal", .enabled(if: Executable.installed("script") != nil))
  func progress() throws {
    let server = try MuxServer()
    let command = "\(try Executable.built("mux")) bench \(try server.address) --duration 1.2 --warmup 0.2"
    let terminal = try ChildProcess(try #require(Executable.installed("script")), ["-qec", command, "/dev/null"])
    try terminal.expect("warming up")
    let text = try terminal.expect("errors 0")
    #expect(text.contains("requests/s"))
    #expect(text.contains("p50") && text.contains("p99"))
    #expect(try terminal.waitForExit() == .exited(0))
  }

  @Test("the mean of one latency is that latency, exactly")
  func exactMean() throws {
    let server = try MuxServer()
    let latency = try bench("\(server.address)", "--requests", "1").latency
    #expect(latency.mean == latency.minimum && latency.mean == latency.maximum)
  }

  // MARK: On a schedule

  @Test("sends messages at the rate given by --rate")
  func rate() throws {
    let server = try MuxServer()
    let figures = try bench("\(server.address)", "--requests", "200", "--rate", "500", "--connections", "5")
    #expect(figures.requests == 200)
    #expect(figures.scheduledPerSecond == 500)
    // The last message is due 199 intervals after the first.
    #expect(figures.seconds >= 199.0 / 500)
    expectAgreement(figures)
    let sinceSending = try #require(figures.latencySinceSending)
    #expect(sinceSending.count == 200)
    #expect(figures.latency.maximum >= sinceSending.maximum)
  }

  @Test("with --rate, the warm-up leaves no message to the measurement")
  func rateAfterWarmUp() throws {
    let server = try MuxServer()
    let figures = try bench("\(server.address)", "--rate", "2", "--duration", "1", "--connections", "1")
    #expect(figures.requests == 2)
    // On a busy machine, a response may come too late to be counted here.
    #expect(figures.requestsPerSecond <= 2)
  }

  @Test("with --rate, a stall counts for all messages that it delays, not only for one")
  func coordinatedOmission() throws {
    _ = try OddServer.serving(.stalls(.milliseconds(500))) { address in
      let figures = try bench("\(address)", "--requests", "50", "--rate", "100", "--connections", "1")
      #expect(figures.requests == 50)
      // All were due during the stall, and waited for its end: a quarter of a second on average.
      #expect(figures.latency.median >= 100_000)
      #expect(try #require(figures.latencySinceSending).median < 100_000)
    }
  }

  @Test("with --rate, messages due but unsent at the end are counted, with the time they had waited")
  func unsent() throws {
    _ = try OddServer.serving(.stalls(.seconds(1))) { address in
      let process = try run([
        "\(address)", "--duration", "0.5", "--warmup", "0", "--rate", "100", "--connections", "1", "--json",
      ])
      let figures = try figures(of: process)
      // All messages fall into the stall, except the first, which ends it.
      #expect(figures.requests == 1 && figures.unsent == 49 && figures.unanswered == 0)
      #expect(figures.latency.count == 50)
      #expect((200_000...300_000).contains(figures.latency.median))
      #expect(figures.latencySinceSending?.count == 1)
      #expect(process.errorText.contains("49 messages due but unsent at the end"))
    }
  }

  @Test("with --rate, the share of a connection that is lost early isn't forgotten")
  func shareOfLostConnection() throws {
    _ = try OddServer.serving(.closesFirst(after: 1000)) { address in
      let figures = try figures(
        of: run([
          "\(address)", "--connections", "2", "--size", "100", "--requests", "200", "--rate", "400", "--json",
        ]), status: 74)
      #expect(figures.requests + figures.unanswered + (figures.unsent ?? 0) == 200)
      #expect(figures.lostConnections == 1 && figures.unanswered == 1)
      // Each of the two had a hundred, and the lost one has had ten answers.
      #expect(figures.unsent == 89)
      #expect(figures.latency.count == 200)
      #expect(figures.latency.maximum > 300_000)
    }
  }

  @Test("with --rate, the share of a lost connection is computed even for the maximum number of messages")
  func shareOfTheMost() throws {
    _ = try OddServer.serving(.closesAtOnce) { address in
      let process = try run(["\(address)", "--connections", "2", "--requests", "\(Int.max)", "--rate", "1000"])
      #expect(try failure(of: process, status: 76).contains("closed by the server"))
    }
  }

  @Test("with a --rate that is too high, a run ends in time, and reports unsent messages")
  func impossibleRate() throws {
    let server = try MuxServer()
    let figures = try bench(
      "\(server.address)", "--duration", "0.3", "--warmup", "0.1", "--rate", "2000000", "--connections", "5")
    #expect(figures.requests > 0)
    let unsent = try #require(figures.unsent)
    // It hasn't continued until all were sent.
    #expect(unsent > 0)
    #expect(figures.requests + unsent == 600_000)
    #expect(figures.latency.count == 600_000)
    // Messages of the first half have waited for more than half of the time.
    #expect(figures.latency.median > 100_000)
  }

  @Test("prints a rate below one without rounding it")
  func slowRate() throws {
    let server = try MuxServer()
    let process = try run(["\(server.address)", "--requests", "1", "--rate", "0.5"])
    #expect(try process.waitForExit() == .exited(0))
    #expect(process.outputText.contains("0.5/s scheduled"))
  }

  @Test("says so when the schedule isn't met")
  func behindSchedule() throws {
    _ = try OddServer.serving(.stalls(.milliseconds(500))) { address in
      let process = try run([
        "\(address)", "--duration", "0.6", "--warmup", "0", "--rate", "100000", "--connections", "1",
      ])
      #expect(try process.waitForExit() == .exited(0))
      #expect(process.errorText.contains("schedule not met"))
    }
  }

  // MARK: Servers that don't echo

  @Test("reports a changed byte with its connection, its position and the expected value")
  func corruption() throws {
    _ = try OddServer.serving(.corrupts(1000)) { address in
      let process = try run(["\(address)", "--connections", "1", "--size", "64", "--json"])
      let line = try failure(of: process, status: 76)
      let match = try #require(
        line.firstMatch(
          of:
            #/connection 1, byte 1000 of the stream \(byte 40 of message 16\), counted from 0, is 0x(..) instead of 0x(..)/#
        ))
      let got = try #require(UInt8(match.1, radix: 16)), expected = try #require(UInt8(match.2, radix: 16))
      #expect(got == ~expected)
    }
  }

  @Test("reports surplus bytes")
  func surplus() throws {
    _ = try OddServer.serving(.adds) { address in
      let line = try failure(of: run(["\(address)"]), status: 76)
      #expect(line.contains("more bytes came back than were sent"))
    }
  }

  @Test("reports a server that never answers")
  func silence() throws {
    _ = try OddServer.serving(.silent()) { address in
      let line = try failure(of: run(["\(address)", "--timeout", "0.3"]), status: 76)
      #expect(line.contains("\(address)") && line.contains("nothing came back"))
      #expect(line.contains("no response within 300 ms"))
    }
  }

  @Test("says how much of a response has come if the rest doesn't")
  func incompleteResponse() throws {
    _ = try OddServer.serving(.keepsLast) { address in
      let process = try run(["\(address)", "--connections", "4", "--requests", "4", "--timeout", "0.3"])
      #expect(try process.waitForExit() == .exited(74))
      let reason = "only 63 of the 64 bytes of a response within 300 ms"
      #expect(process.errorText == "mux: lost 4 of 4 connections: 4 \(reason)\n")
    }
  }

  @Test("reports a server that closes all connections")
  func closing() throws {
    _ = try OddServer.serving(.closesAtOnce) { address in
      let line = try failure(of: run(["\(address)"]), status: 76)
      #expect(line.contains("\(address)") && line.contains("nothing came back"))
    }
  }

  @Test("a connection lost during the run is counted, and the others continue")
  func loss() throws {
    _ = try OddServer.serving(.closesFirst(after: 2000)) { address in
      let process = try run(
        ["\(address)", "--connections", "3", "--size", "100", "--requests", "600", "--json"])
      let figures = try figures(of: process, status: 74)
      #expect(figures.lostConnections == 1)
      #expect(figures.losses.map(\.connections) == [1])
      // The message in flight is lost with it.
      #expect(figures.requests == 600 - figures.unanswered)
      #expect(figures.unanswered == 1)
      expectAgreement(figures)
      #expect(process.errorText.contains("lost 1 of 3 connections: 1 closed by the server"))
    }
  }

  @Test("prints no latencies if there are none")
  func noLatency() throws {
    _ = try OddServer.serving(.closesFirst(after: 500_000)) { address in
      let arguments = ["\(address)", "--connections", "1", "--size", "1000000", "--requests", "1"]
      let process = try run(arguments)
      #expect(try process.waitForExit() == .exited(74))
      let line = try #require(process.outputText.split(separator: "\n").last)
      #expect(line.hasPrefix("since sending") && line.filter { $0 == "-" }.count == 9)
      #expect(!line.contains("ns"))
    }
  }

  @Test("a run ends with the results so far if the server stops answering")
  func stoppedAnswering() throws {
    let server = try MuxServer()
    let before = try server.processorTicks
    let process = try run(
      ["\(server.address)", "--connections", "2", "--duration", "60", "--warmup", "0", "--timeout", "0.5", "--json"])
    // The server is stopped once the run is under way.
    #expect(try eventually { try server.processorTicks > before + 5 })
    server.process.signal(SIGSTOP)
    defer { server.process.signal(SIGCONT) }
    let figures = try figures(of: process, status: 74)
    #expect(figures.lostConnections == 2 && figures.unanswered == 2)
    #expect(figures.requests > 0)
    #expect(figures.losses.map(\.reason) == ["no response within 500 ms"])
  }

  @Test("being stopped for longer than --timeout isn't the server's fault")
  func stoppedMeanwhile() throws {
    let server = try MuxServer()
    let process = try run([
      "\(server.address)", "--connections", "50", "--duration", "60", "--warmup", "0", "--timeout", "0.3", "--json",
    ])
    try waitUntilSignalsAreHandled(by: process)
    #expect(try eventually { try server.processorTicks > 0 })
    process.signal(SIGSTOP)
    #expect(eventually { process.isStopped && !server.process.isBusy })
    _ = try select(timeout: .milliseconds(600))
    process.signal(SIGCONT)
    let before = try server.processorTicks
    #expect(try eventually { try server.processorTicks > before || !process.isRunning })
    process.signal(SIGINT)
    #expect(try figures(of: process).lostConnections == 0)
  }

  // MARK: Failures

  @Test("a server that can't be reached is reported")
  func unreachable() throws {
    try withUnusedAddress { address in
      let line = try failure(of: run(["\(address)"]), status: 69)
      #expect(line.contains("\(address)") && line.contains("is the server running?"))
    }
    let noSocket = try failure(of: run(["/nowhere/socket"]), status: 69)
    #expect(noSocket.contains("/nowhere/socket"))
    let noHost = try failure(of: run(["name.invalid:80"]), status: 68)
    #expect(noHost.contains("name.invalid:80"))
  }

  @Test("too low an open-file limit is reported, with the number of files needed and how to raise it")
  func openFiles() throws {
    let server = try MuxServer()
    let process = try run(["\(server.address)", "--connections", "100"], openFileLimit: 64)
    let line = try failure(of: process, status: 71)
    #expect(line.contains("100 connections") && line.contains("64") && line.contains("ulimit -n"))
  }

  @Test(
    "options that are out of range or exclude each other are reported with exit status 64",
    arguments: [
      ["--connections", "0"], ["--size", "0"], ["--pipeline", "-1"], ["--duration", "0"], ["--requests", "0"],
      ["--rate", "0"], ["--rate", "nan"], ["--rate", "1e9"], ["--warmup", "-1"], ["--timeout", "0"],
      ["--duration", "1", "--requests", "1"], ["--unix", "/x"], ["--unix", ""], ["--backend", "kqueue"],
      ["--connections", "1000000", "--pipeline", "100000"], ["--report", ""], ["--report", "-"], ["--report="], ["-w="],
    ])
  func badOptions(arguments: [String]) throws {
    let line = try failure(of: run(["127.0.0.1:1"] + arguments), status: 64)
    #expect(line.contains(arguments[0]))
  }

  // MARK: Signals

  @Test("an interrupt ends a run early, with the results so far")
  func interruption() throws {
    let server = try MuxServer()
    let process = try run(["\(server.address)", "--duration", "60", "--warmup", "0", "--json"])
    try waitUntilSignalsAreHandled(by: process)
    #expect(try eventually { try server.processorTicks > 0 })
    process.signal(SIGINT)
    let figures = try figures(of: process)
    #expect(figures.isInterrupted)
    #expect(figures.requests > 0 && figures.seconds < 60)
    expectAgreement(figures)
    #expect(process.errorText.contains("interrupted"))
  }

  @Test("interrupts in quick succession are one, also while the results are printed", arguments: 1...5)
  func closeInterrupts(pause: Int) throws {
    let server = try MuxServer()
    let process = try ChildProcess.mux([
      "bench", "127.0.0.1:\(try server.port)", "--rate", "1000", "--duration", "100", "--warmup", "0",
    ])
    #expect(eventually { process.signalMask("SigBlk").contains(SIGINT) })
    let start = ContinuousClock.now
    // All within the quarter of a second that makes them one.
    while .now - start < .milliseconds(100) {
      process.signal(SIGINT)
      _ = eventually(within: .milliseconds(2 * pause)) { !process.isRunning }
    }
    #expect(try process.waitForExit() == .exited(0))
    #expect(process.outputText.contains("LATENCY"))
  }

  @Test("a second interrupt ends a run at once, even if responses are missing")
  func secondInterruption() throws {
    _ = try OddServer.serving(.silent()) { address in
      let process = try run(["\(address)", "--timeout", "60", "--warmup", "0"])
      try waitUntilSignalsAreHandled(by: process)
      #expect(process.endsOfRepeated(SIGINT))
      #expect(try process.waitForExit() == .exited(130))
    }
  }

  @Test("an interrupt while the last responses are awaited isn't the server's fault", arguments: [false, true])
  func interruptedWait(hasAnswered: Bool) throws {
    // The second of two messages, or the only one, never comes back.
    let isAwaited = Flag()
    let oddity = OddServer.Oddity.silent(after: hasAnswered ? 64 : 0) { isAwaited.set() }
    _ = try OddServer.serving(oddity) { address in
      let requests = hasAnswered ? "2" : "1"
      let process = try run(["\(address)", "--connections", "1", "--requests", requests, "--timeout", "60"])
      #expect(eventually { isAwaited.isSet && !process.isBusy })
      process.signal(SIGINT)
      #expect(try process.waitForExit() == .exited(hasAnswered ? 0 : 130))
      #expect(!process.errorText.contains("lost") && !process.errorText.contains("echo"))
      #expect(process.outputText.contains("UNANSWERED") == hasAnswered)
    }
  }

  @Test("writes its report even if nobody reads its output")
  func reportUnheard() throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer()
    let file = folder.file("report.html")
    let command = "exec \"$0\" bench \"$1\" --requests 10 --report \"$2\" > /dev/full"
    let process = try ChildProcess(
      "/bin/sh", ["-c", command, try Executable.built("mux"), "\(server.address)", file])
    #expect(try process.waitForExit() == .exited(74))
    #expect(try HTMLReport(file).elements["svg"] == 2)
  }

  @Test("an interrupt that arrives as several signals counts as one")
  func repeatedInterruption() throws {
    let server = try MuxServer()
    let process = try run(["\(server.address)", "--duration", "60", "--warmup", "0", "--json"])
    try waitUntilSignalsAreHandled(by: process)
    #expect(try eventually { try server.processorTicks > 0 })
    process.signal(SIGINT)
    process.signal(SIGTERM)
    #expect(try figures(of: process).isInterrupted)
  }

  // MARK: The report

  @Test(
    "writes a well-formed, self-contained report of a measurement, whatever the names in it", arguments: [false, true])
  func report(hasSchedule: Bool) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a <b> & \"c\" 'd'")
    let server = try MuxServer(.automatic, ["--unix", path])
    let file = folder.file("report.html")
    let process = try run(
      [path, "--requests", "2000", "--report", file] + (hasSchedule ? ["--rate", "10000"] : []))
    #expect(try process.waitForExit() == .exited(0))
    #expect(server.process.isRunning)
    let report = try HTMLReport(file)
    #expect(report.text.contains("Echo under load: \(path)"))
    #expect(report.text.contains("mux bench '"))
    #expect(report.elements["svg"] == 2)
    for words in ["Kernel", "Processor", "percentile", "requests per second", "p99.9", "since sending", "2,000"] {
      #expect(report.text.contains(words))
    }
    #expect(report.text.contains("since due") == hasSchedule)
  }

  @Test("the curve in the report ends at the longest latency, even if it is a single one")
  func longestLatency() throws {
    let folder = try TemporaryFolder()
    let file = folder.file("report.html")
    _ = try OddServer.serving(.stalls(.milliseconds(500))) { address in
      let process = try run(["\(address)", "--requests", "20", "--connections", "1", "--report", file])
      #expect(try process.waitForExit() == .exited(0))
    }
    // The axis ends above all points of the curve. The other responses take less than a hundredth of that.
    let labels = try HTMLReport(file).text.split(separator: "\n")
    #expect(labels.contains("100 ms"))
  }

  @Test("reports before the measurement that a report can't be written")
  func badReport() throws {
    let process = try run(["127.0.0.1:1", "--report", "/nowhere/report.html"])
    let line = try failure(of: process, status: 73)
    #expect(line.contains("/nowhere/report.html"))
  }

  @Test("reports that a file may not grow as far as it would", .enabled(if: Executable.installed("sh") != nil))
  func fileSizeLimit() throws {
    let server = try MuxServer()
    let folder = try TemporaryFolder()
    let command = "ulimit -f 1; exec \"$0\" bench \"$1\" --requests 10 --report \"$2\""
    let process = try ChildProcess(
      "sh", ["-c", command, try Executable.built("mux"), "\(server.address)", folder.file("report.html")])
    #expect(try process.waitForExit() == .exited(74))
    #expect(process.errorText.hasPrefix("mux: can't write the report"))
    #expect(process.errorText.contains("File too large"))
  }

  @Test("keeps an earlier report if the new one can't be written", .enabled(if: Executable.installed("sh") != nil))
  func keptReport() throws {
    let server = try MuxServer()
    let folder = try TemporaryFolder()
    try Data("earlier".utf8).write(to: URL(fileURLWithPath: folder.file("report")))
    let command = "ulimit -f 1; exec \"$0\" bench \"$1\" --requests 10 --report \"$2\""
    let process = try ChildProcess(
      "sh", ["-c", command, try Executable.built("mux"), "\(server.address)", folder.file("report")])
    #expect(try process.waitForExit() == .exited(74))
    #expect(try String(contentsOfFile: folder.file("report"), encoding: .utf8) == "earlier")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["report"])
  }

  @Test("replaces an earlier report, also through links, and keeps its permissions")
  func replacedReport() throws {
    let server = try MuxServer()
    let folder = try TemporaryFolder()
    try Data("earlier".utf8).write(to: URL(fileURLWithPath: folder.file("report")))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: folder.file("report"))
    for (link, target) in [("link", "report"), ("longer", "link"), ("dangling", "new")] {
      try FileManager.default.createSymbolicLink(atPath: folder.file(link), withDestinationPath: target)
    }
    for name in ["longer", "dangling"] {
      let process = try run(["\(server.address)", "--requests", "10", "--report", folder.file(name)])
      #expect(try process.waitForExit() == .exited(0))
    }
    for name in ["report", "new"] { #expect(try HTMLReport(folder.file(name)).elements["svg"] == 2) }
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.file("report"))
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        == ["dangling", "link", "longer", "new", "report"])
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.file("longer")) == "link")
  }

  @Test("writes its report to /dev/stdout, whether that is a pipe or a file")
  func printedReport() throws {
    let server = try MuxServer()
    let folder = try TemporaryFolder()
    for redirection in ["| cat", "> \"$2\"; cat \"$2\""] {
      let command = "\"$0\" bench \"$1\" --requests 10 --report /dev/stdout \(redirection)"
      let process = try ChildProcess(
        "/bin/sh", ["-c", command, try Executable.built("mux"), "\(server.address)", folder.file("output")])
      #expect(try process.waitForExit() == .exited(0))
      #expect(process.outputText.contains("</html>"))
    }
  }

  @Test("reports on one line that the disk is full")
  func fullDisk() throws {
    let server = try MuxServer()
    let process = try run(["\(server.address)", "--requests", "10", "--report", "/dev/full"])
    #expect(try process.waitForExit() == .exited(74))
    #expect(process.errorText == "mux: can't write the report '/dev/full': No space left on device\n")
  }

  @Test("leaves an earlier report alone, and no empty file behind, when there is nothing to report")
  func noReport() throws {
    let folder = try TemporaryFolder()
    try Data("earlier".utf8).write(to: URL(fileURLWithPath: folder.file("earlier")))
    try withUnusedAddress { address in
      for name in ["earlier", "none"] {
        _ = try failure(of: run(["\(address)", "--report", folder.file(name)]), status: 69)
      }
    }
    #expect(try String(contentsOfFile: folder.file("earlier"), encoding: .utf8) == "earlier")
    #expect(!folder.exists("none"))
  }
}

// MARK: - Running it

extension BenchTests {
  /// The part of the JSON that the tests read.
  private struct Figures: Decodable {
    struct Latency: Decodable {
      struct Percentile: Decodable {
        let percentile: Double
        let microseconds: Double
      }

      let count: Int
      // Absent if there is none.
      let minimumMicroseconds: Double?
      let meanMicroseconds: Double?
      let maximumMicroseconds: Double?
      let percentiles: [Percentile]

      var minimum: Double { minimumMicroseconds ?? -1 }
      var mean: Double { meanMicroseconds ?? -1 }
      var maximum: Double { maximumMicroseconds ?? -1 }

      var median: Double { percentiles.first { $0.percentile == 50 }?.microseconds ?? -1 }
    }

    struct Rate: Decodable {
      let seconds: Double
      let requestsPerSecond: Double
    }

    struct Loss: Decodable {
      let reason: String
      let connections: Int
    }

    let backend: String
    let messageBytes: Int
    let scheduledPerSecond: Double?
    let seconds: Double
    let waitSeconds: Double
    let requests: Int
    let responsesInTime: Int
    let requestsPerSecond: Double
    let bytesPerSecond: Double
    let latency: Latency
    let latencySinceSending: Latency?
    let throughput: [Rate]
    let unanswered: Int
    let unsent: Int?
    let lostConnections: Int
    let losses: [Loss]
    let isInterrupted: Bool
    let isGivenUp: Bool
  }

  private func run(_ arguments: [String], openFileLimit: Int? = nil) throws -> ChildProcess {
    try ChildProcess.mux(["bench"] + arguments, openFileLimit: openFileLimit)
  }

  private func bench(_ arguments: String...) throws -> Figures {
    try figures(of: run(arguments + ["--json"]))
  }

  private func figures(of process: ChildProcess, status: Int32 = 0) throws -> Figures {
    #expect(try process.waitForExit() == .exited(status), "\(process.errorText)")
    return try JSONDecoder().decode(Figures.self, from: Data(process.output))
  }

  /// Waits for a failure, and returns the line that describes it.
  private func failure(of process: ChildProcess, status: Int32) throws -> String {
    #expect(try process.waitForExit() == .exited(status), "\(process.errorText)")
    #expect(process.outputText.isEmpty)
    #expect(process.errorText.split(separator: "\n").count == 1, "\(process.errorText)")
    return process.errorText
  }

  private func expectAgreement(_ figures: Figures, sourceLocation: SourceLocation = #_sourceLocation) {
    let product = figures.requestsPerSecond * figures.seconds
    #expect(abs(product - Double(figures.responsesInTime)) < 0.5, sourceLocation: sourceLocation)
    let bytes = figures.requestsPerSecond * Double(figures.messageBytes)
    #expect(abs(figures.bytesPerSecond - bytes) <= bytes * 1e-9, sourceLocation: sourceLocation)
    let latency = figures.latency
    #expect(latency.count == figures.requests, sourceLocation: sourceLocation)
    let rising = [latency.minimum] + latency.percentiles.map(\.microseconds) + [latency.maximum]
    #expect(zip(rising, rising.dropFirst()).allSatisfy { $0 <= $1 }, "\(rising)", sourceLocation: sourceLocation)
    #expect((latency.minimum...latency.maximum).contains(latency.mean), sourceLocation: sourceLocation)
    #expect(latency.percentiles.map(\.percentile).contains(99), sourceLocation: sourceLocation)
  }

  private func waitUntilSignalsAreHandled(by process: ChildProcess) throws {
    try #require(eventually { process.signalMask("SigBlk").contains(SIGINT) })
  }
}
