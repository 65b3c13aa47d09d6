import Foundation
import Multiplex
import TestSupport
import Testing

/// Bad input to `mux` is reported on one line that names the problem and the remedy, with an exit status of sysexits.h.
@Suite("mux, used incorrectly")
struct BadInputTests {
  private func expectFailure(
    _ arguments: [String], status: Int32, naming texts: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let process = try ChildProcess.mux(arguments)
    process.closeInput()
    #expect(try process.waitForExit() == .exited(status), sourceLocation: sourceLocation)
    let lines = process.errorText.split(separator: "\n")
    #expect(lines.count == 1, "\(process.errorText)", sourceLocation: sourceLocation)
    for text in texts {
      #expect(process.errorText.contains(text), sourceLocation: sourceLocation)
    }
    #expect(process.outputText.isEmpty, sourceLocation: sourceLocation)
  }

  @Test(
    "prints help that was asked for on standard output",
    arguments: [["help"], ["--help"], ["-h"], ["help", "bench"], ["relay", "--help"], ["--version"]])
  func help(arguments: [String]) throws {
    let process = try ChildProcess.mux(arguments)
    #expect(try process.waitForExit() == .exited(0))
    #expect(process.outputText.contains(arguments == ["--version"] ? "." : "USAGE: mux"))
    #expect(process.errorText.isEmpty)
  }

  @Test(
    "a malformed address is reported with exit status 64",
    arguments: ["nowhere", "127.0.0.1", "127.0.0.1:99999", "::1:80", "127.0.0.1:", ""])
  func wrongAddress(text: String) throws {
    try expectFailure(["serve", "--listen", text], status: 64, naming: "'\(text)'", "--listen")
    try expectFailure(["connect", text], status: 64, naming: "'\(text)'")
  }

  private static let commands = [
    ["serve", "--listen"], ["connect"], ["bench"], ["relay", "--to", "127.0.0.1:1", "--listen"],
    ["relay", "--listen", "127.0.0.1:0", "--to"],
  ]

  @Test("every command says how to write an address, and what can't be one", arguments: commands)
  func grammar(command: [String]) throws {
    try expectFailure(command + ["nowhere"], status: 64, naming: "'nowhere'", "HOST:PORT", "unix:PATH", "slash")
    try expectFailure(command + ["unix:"], status: 64, naming: "'unix:'", "can't be empty")
    let long = "/tmp/" + String(repeating: "x", count: 200)
    for path in [long, "unix:\(long)"] {
      try expectFailure(command + [path], status: 64, naming: "'\(path)'", "107 bytes")
    }
    try expectFailure(command + ["localhost:nonesuch"], status: 64, naming: "unknown service 'nonesuch'")
  }

  @Test(
    "port 0 in connecting commands is reported with exit status 64", arguments: [commands[1], commands[2], commands[4]])
  func noPort(command: [String]) throws {
    try expectFailure(command + ["127.0.0.1:0"], status: 64, naming: "'127.0.0.1:0'", "port 0")
  }

  @Test(
    "an option without a value after its equals sign is reported with exit status 64",
    arguments: [["serve", "--unix="], ["bench", "--report=", "127.0.0.1:1"], ["compare", "--report="]])
  func emptyValue(arguments: [String]) throws {
    try expectFailure(arguments, status: 64, naming: arguments[1], "no value")
  }

  @Test(
    "negative numbers are reported as out of range",
    arguments: [
      (["relay"], "--max-connections"), (["relay"], "--connect-timeout"), (["relay"], "--idle-timeout"),
      (["relay"], "--drain-timeout"), (["relay"], "--threads"),
      (["compare"], "--active"), (["compare"], "--rounds"), (["connect"], "--timeout"),
    ])
  func negative(command: [String], option: String) throws {
    let ends = command == ["relay"] ? ["--listen", "127.0.0.1:0", "--to", "127.0.0.1:1"] : []
    try expectFailure(command + ends + [option, "-1"], status: 64, naming: option, "must be")
  }

  @Test(
    "times out of range are reported with the valid range",
    arguments: [
      (["connect", "--timeout", "0.0005"], "--timeout must be from 0.001 to 3,000,000,000 seconds"),
      (["connect", "--timeout", "1e10"], "--timeout must be from 0.001 to 3,000,000,000 seconds"),
      (["serve", "--idle-timeout", "inf"], "--idle-timeout must be from 0.001 to 3,000,000,000 seconds"),
      (["serve", "--drain-timeout", "1e12"], "--drain-timeout must be 0, or from 0.001 to 3,000,000,000 seconds"),
      (["bench", "--warmup", "-1"], "--warmup must be 0, or from 0.001 to 3,000,000,000 seconds"),
      (["bench", "--rate", "0"], "--rate must be from 0.001 to 10,000,000 messages per second"),
    ])
  func times(arguments: [String], message: String) throws {
    try expectFailure(arguments, status: 64, naming: message)
  }

  @Test("mux prints its version")
  func version() throws {
    let process = try ChildProcess.mux(["--version"])
    #expect(try process.waitForExit() == .exited(0))
    #expect(process.outputText.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil)
  }

  @Test("an address that no interface has is reported with exit status 69")
  func foreignAddress() throws {
    try expectFailure(["serve", "--listen", "192.0.2.1:0"], status: 69, naming: "192.0.2.1:0", "network interface")
  }

  @Test("a port in use is reported with exit status 69")
  func portInUse() throws {
    let server = try MuxServer()
    let address = "127.0.0.1:\(try server.port)"
    try expectFailure(["serve", "--listen", address], status: 69, naming: address, "choose another port")
  }

  @Test("a port in use by a server with several threads is reported with exit status 69", arguments: ["1", "2"])
  func portInUseByThreads(threads: String) throws {
    let server = try MuxServer(.automatic, ["--threads", "2"])
    let address = "127.0.0.1:\(try server.port)"
    try expectFailure(
      ["serve", "--threads", threads, "--listen", address], status: 69, naming: address, "choose another port")
  }

  @Test("an unknown backend, service, option or command is reported with exit status 64")
  func unknownNames() throws {
    try expectFailure(
      ["serve", "--backend", "kqueue"], status: 64,
      naming: "'kqueue'", "epoll", "poll", "'select'; see 'mux help serve'")
    try expectFailure(["serve", "--service", "time"], status: 64, naming: "'time'", "daytime")
    try expectFailure(["serve", "--colour"], status: 64, naming: "--colour", "see 'mux help serve'")
    try expectFailure(["server"], status: 64, naming: "'server'", "see 'mux help'")
  }

  @Test(
    "limits out of range are reported with exit status 64",
    arguments: [
      ("--max-connections", "0"), ("--max-connections", "-1"), ("--max-connections", "many"), ("--high-water", "0"),
      ("--idle-timeout", "0"), ("--idle-timeout", "-2"), ("--idle-timeout", "nan"), ("--idle-timeout", "inf"),
      ("--idle-timeout", "1e300"), ("--threads", "-1"), ("--threads", "many"), ("--threads", "5000"),
      ("--drain-timeout", "-1"), ("--drain-timeout", "nan"), ("--drain-timeout", "1e300"),
    ])
  func limits(option: String, value: String) throws {
    try expectFailure(["serve", "\(option)=\(value)"], status: 64, naming: option)
    try expectFailure(["serve", option, value], status: 64, naming: option, value.hasPrefix("m") ? value : "must be")
  }

  @Test("the path of an existing file or directory is refused, and the file is left alone")
  func existingFile() throws {
    let folder = try TemporaryFolder()
    try Data("precious".utf8).write(to: URL(fileURLWithPath: folder.file("file")))
    for path in [folder.file("file"), folder.path] {
      try expectFailure(["serve", "--unix", path], status: 69, naming: path, "choose another")
    }
    #expect(try String(contentsOfFile: folder.file("file"), encoding: .utf8) == "precious")
  }

  @Test("a path on which another server listens is refused, and that server keeps running")
  func liveSocket() throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer(.automatic, ["--unix", folder.file("socket")])
    try expectFailure(["serve", "--unix", folder.file("socket")], status: 69, naming: folder.file("socket"))
    let peer = try EchoPeer(connectingTo: .unix(path: folder.file("socket")))
    try peer.send("still here")
    #expect(try peer.receiveText(10) == "still here")
    #expect(server.process.isRunning)
  }

  @Test("a bad path of a Unix socket is reported with exit status 64 or 69")
  func badPaths() throws {
    let long = "/tmp/" + String(repeating: "x", count: 200)
    try expectFailure(["serve", "--unix", long], status: 64, naming: long, "107 bytes")
    try expectFailure(["serve", "--unix", "/nowhere/socket"], status: 69, naming: "/nowhere/socket", "doesn't exist")
    // What an unset shell variable expands to; the kernel would make up a name.
    try expectFailure(["serve", "--unix", ""], status: 64, naming: "--unix")
    try expectFailure(["connect", "--unix", ""], status: 64, naming: "--unix")
  }

  @Test("too few descriptors to start are reported with exit status 71", arguments: 4...9)
  func noDescriptors(limit: Int) throws {
    let process = try ChildProcess.mux(["serve", "--listen", "127.0.0.1:0"], openFileLimit: limit)
    #expect(try process.waitForExit() == .exited(71))
    #expect(process.errorText.split(separator: "\n").count == 1)
    #expect(process.errorText.contains("ulimit -n"))
  }

  @Test(
    "a server either serves or reports too few descriptors, whatever the threads and the backend need",
    arguments: usableBackends, [1, 3])
  func fewDescriptors(backend: Poller.Backend, threads: Int) throws {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--backend", backend.name, "--threads", "\(threads)"]
    for limit in 11...24 {
      let process = try ChildProcess.mux(arguments, openFileLimit: limit)
      guard let line = try? process.nextLine() else {
        #expect(try process.waitForExit() == .exited(71))
        #expect(process.errorText.contains("ulimit -n"))
        continue
      }
      let peer = try EchoPeer(connectingTo: ChildProcess.listeningAddress(in: line))
      try peer.send("x")
      #expect(try peer.receiveText(1) == "x", "\(limit)")
    }
  }

  @Test("a path that belongs to something other than a socket is refused, and left alone")
  func occupiedPath() throws {
    let folder = try TemporaryFolder()
    try Data("content".utf8).write(to: URL(fileURLWithPath: folder.file("file")))
    try FileManager.default.createSymbolicLink(atPath: folder.file("link"), withDestinationPath: folder.file("none"))
    for (path, kind) in [
      (folder.file("file"), "a file, and no socket"), (folder.file("link"), "a link that leads nowhere"),
      (folder.path, "a directory"),
    ] {
      let words = "can't listen on \(path): it is \(kind)"
      try expectFailure(["serve", "--unix", path], status: 69, naming: words)
      try expectFailure(["relay", "--listen", path, "--to", "127.0.0.1:1"], status: 69, naming: words)
    }
    #expect(try String(contentsOfFile: folder.file("file"), encoding: .utf8) == "content")
    #expect(folder.exists("link") && !folder.exists("none"))
  }

  @Test("help of something that is no command is refused")
  func wrongHelp() throws {
    try expectFailure(["help", "nosuch"], status: 64, naming: "'nosuch'", "see 'mux help'")
    try expectFailure(["help", "serve", "bench"], status: 64, naming: "'serve bench'")
  }

  @Test("an argument that isn't valid UTF-8 is refused, rather than taken for another name")
  func invalidText() throws {
    let folder = try TemporaryFolder()
    let script = "cd \"$1\" && exec \"$0\" serve --unix \"$(printf './a\\377.sock')\""
    let process = try ChildProcess("/bin/sh", ["-c", script, try Executable.built("mux"), folder.path])
    #expect(try process.waitForExit() == .exited(64))
    #expect(process.errorText == "mux: './a\u{fffd}.sock' isn't valid UTF-8; give another name\n")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test("a server leaves no socket file behind when a later address fails")
  func nothingLeftBehind() throws {
    let folder = try TemporaryFolder()
    try expectFailure(
      ["serve", "--unix", folder.file("socket"), "--unix", "/nowhere/socket"], status: 69, naming: "/nowhere/socket")
    #expect(!folder.exists("socket"))
  }

  @Test(
    "a relay to itself is refused",
    arguments: [
      ("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "localhost"), ("127.0.0.1", "0.0.0.0"), ("127.0.0.1", ""),
      ("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "127.1.2.3"), ("*", "localhost"), ("0.0.0.0", "[::ffff:127.0.0.1]"),
    ])
  func ownTarget(host: String, target: String) throws {
    // The port was free a moment ago.
    let port = try UnusedAddress().address.port ?? 0
    try expectFailure(
      ["relay", "--listen", "\(host):\(port)", "--to", "\(target):\(port)"], status: 64, naming: ":\(port) leads back")
  }

  @Test("a relay to its own path is refused, also through a link")
  func ownTargetPath() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createSymbolicLink(atPath: folder.file("link"), withDestinationPath: folder.path)
    for path in [folder.file("socket"), folder.file("link/socket")] {
      try expectFailure(
        ["relay", "--listen", folder.file("socket"), "--to", path], status: 64, naming: "\(path) leads back")
      #expect(!folder.exists("socket"))
    }
  }

  @Test("connecting to an address without a listener, or to an unknown host, is reported")
  func connectFailures() throws {
    try withUnusedAddress { address in
      try expectFailure(["connect", "\(address)"], status: 69, naming: "\(address)", "is the server running?")
    }
    try expectFailure(["connect", "--unix", "/nowhere/socket"], status: 69, naming: "/nowhere/socket")
    try expectFailure(["connect", "--unix", "/x", "127.0.0.1:1"], status: 64, naming: "not both")
    try expectFailure(["connect", "name.invalid:80"], status: 68, naming: "name.invalid:80", "no such host")
  }

  @Test(
    "a link-local address without its interface is reported, with how to write it", arguments: ["connect", "bench"])
  func linkLocal(command: String) throws {
    try expectFailure([command, "[fe80::1]:9"], status: 64, naming: "[fe80::1]:9: ", "its interface: [fe80::1%eth0]:9")
  }

  @Test(
    "a Unix socket that may not be connected to is reported, without advice on other addresses",
    .enabled(if: Executable.installed("setpriv") != nil), arguments: ["connect", "bench"])
  func forbiddenSocket(command: String) throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer(.automatic, ["--unix", folder.file("socket")])
    try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: folder.file("socket"))
    // Root may connect to any socket, unless it gives up that capability.
    let script = """
      if [ "$(id -u)" = 0 ]; then set -- setpriv --bounding-set -dac_override "$@"; fi
      exec "$@" < /dev/null
      """
    let process = try ChildProcess(
      "/bin/sh", ["-c", script, "sh", try Executable.built("mux"), command, folder.file("socket")])
    #expect(try process.waitForExit() == .exited(77))
    #expect(process.errorText.contains("the socket's file must be writable"))
    #expect(!process.errorText.contains("broadcast"))
    #expect(server.process.isRunning)
  }
}
