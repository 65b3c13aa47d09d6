import Foundation
import Glibc
import TestSupport
import Testing

@Suite("ChildProcess")
struct ChildProcessTests {
  @Test("a child process reports its exit status and all of its output")
  func exitStatus() throws {
    let child = try ChildProcess("sh", ["-c", "echo out; echo err >&2; exit 3"])
    #expect(try child.waitForExit() == .exited(3))
    #expect(child.outputText == "out\n")
    #expect(child.errorText == "err\n")
  }

  @Test("a child process reports the signal that ended it")
  func signal() throws {
    let child = try ChildProcess("cat")
    child.signal(SIGTERM)
    #expect(try child.waitForExit() == .signaled(SIGTERM))
    child.signal(SIGTERM)  // isn't sent: the process ID may be another process's by now
  }

  @Test("a child process receives its input in order, followed by the end")
  func input() throws {
    let child = try ChildProcess("cat")
    child.send("one\n")
    #expect(try child.nextLine() == "one")
    child.send("two")
    child.closeInput()
    #expect(try child.waitForExit() == .exited(0))
    #expect(child.outputText == "one\ntwo")
  }

  @Test("a child process never blocks, however much it writes")
  func chatty() throws {
    let child = try ChildProcess("sh", ["-c", "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2"])
    #expect(try child.waitForExit() == .exited(0))
    #expect(child.output.count == 5_000_000)
    #expect(child.errorText.utf8.count == 5_000_000)
  }

  @Test("sending to a child process that doesn't read never blocks or ends the test")
  func deaf() throws {
    let child = try ChildProcess("sleep", ["60"])
    child.send([UInt8](repeating: 0, count: 5_000_000))
    child.signal(SIGKILL)
    #expect(try child.waitForExit() == .signaled(SIGKILL))
    child.send("nobody reads this")
    child.closeInput()
  }

  @Test("a child process starts with three descriptors and no ignored or blocked signals")
  func cleanSlate() throws {
    // A test running in parallel may leave these: a descriptor that isn't close-on-exec, an ignored and a blocked
    // signal.
    let leak = unsafe open("/dev/null", O_RDONLY)
    defer { close(leak) }
    let action = Glibc.signal(SIGTTOU, SIG_IGN)
    defer { _ = Glibc.signal(SIGTTOU, action) }
    var blocked = sigset_t()
    var previous = sigset_t()
    unsafe sigemptyset(&blocked)
    unsafe sigaddset(&blocked, SIGTTIN)
    unsafe pthread_sigmask(SIG_BLOCK, &blocked, &previous)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &previous, nil) }

    let list = try ChildProcess("sh", ["-c", "ls /proc/$$/fd; :"])
    #expect(try list.waitForExit() == .exited(0))
    #expect(list.outputText == "0\n1\n2\n")

    // grep reads its own status: a shell blocks signals while it starts a program.
    let masks = try ChildProcess("grep", ["-E", "SigBlk|SigIgn", "/proc/self/status"])
    #expect(try masks.waitForExit() == .exited(0))
    let values = masks.outputText.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0, radix: 16) }
    // Signals 32 and 33 are reserved by the C library, and ignored by its posix_spawn.
    #expect(values.map { $0 & 0x7fff_ffff } == [0, 0])
  }

  @Test("waiting for output fails at once when a child process ends without it, and shows the output")
  func unmetExpectation() throws {
    let child = try ChildProcess("sh", ["-c", "echo something else; echo a reason >&2"])
    let error = #expect(throws: ChildProcessError.self) { try child.expect("never said") }
    #expect(error?.description.contains("something else") == true)
    #expect(error?.description.contains("never said") == true)
  }

  @Test("waiting for a child process fails when the time is up")
  func limit() throws {
    let child = try ChildProcess("cat")
    #expect(throws: ChildProcessError.self) { try child.nextLine(within: .milliseconds(20)) }
    #expect(throws: ChildProcessError.self) { try child.waitForExit(within: .milliseconds(20)) }
    #expect(child.isRunning)
  }

  @Test("starting a program that doesn't exist fails")
  func noProgram() {
    #expect(throws: ChildProcessError.self) { try ChildProcess("/nowhere/nothing") }
  }

  @Test("a child process is killed when its last reference goes away")
  func endsWithReference() throws {
    var child: ChildProcess? = try ChildProcess("cat")
    let processID = try #require(child?.processID)
    #expect(kill(processID, 0) == 0)
    child = nil
    #expect(kill(processID, 0) == -1)
  }
}
