import Foundation
import Glibc
import TestSupport
import Testing

@Suite("A child process of a test")
struct ChildProcessTests {
  @Test("tells its exit status, and everything that it wrote")
  func exitStatus() throws {
    let child = try ChildProcess("sh", ["-c", "echo out; echo err >&2; exit 3"])
    #expect(try child.waitForExit() == .exited(3))
    #expect(child.outputText == "out\n")
    #expect(child.errorText == "err\n")
  }

  @Test("tells the signal that ended it")
  func signal() throws {
    let child = try ChildProcess("cat")
    child.signal(SIGTERM)
    #expect(try child.waitForExit() == .signaled(SIGTERM))
    child.signal(SIGTERM)  // reaches nobody, as the number isn't its own any more
  }

  @Test("gets what it is sent, in order, and the end after it")
  func input() throws {
    let child = try ChildProcess("cat")
    child.send("one\n")
    #expect(try child.nextLine() == "one")
    child.send("two")
    child.closeInput()
    #expect(try child.waitForExit() == .exited(0))
    #expect(child.outputText == "one\ntwo")
  }

  @Test("is never held up, however much it writes")
  func chatty() throws {
    let child = try ChildProcess("sh", ["-c", "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2"])
    #expect(try child.waitForExit() == .exited(0))
    #expect(child.output.count == 5_000_000)
    #expect(child.errorText.utf8.count == 5_000_000)
  }

  @Test("never holds up the test, nor ends it, when it doesn't read")
  func deaf() throws {
    let child = try ChildProcess("sleep", ["60"])
    child.send([UInt8](repeating: 0, count: 5_000_000))
    child.signal(SIGKILL)
    #expect(try child.waitForExit() == .signaled(SIGKILL))
    child.send("nobody reads this")
    child.closeInput()
  }

  @Test("has three descriptors, no ignored and no blocked signals")
  func cleanSlate() throws {
    // What a test beside this one may have done: a descriptor that isn't close-on-exec, an ignored and a blocked signal.
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

    let list = try ChildProcess("sh", ["-c", "ls /proc/$$/fd"])
    #expect(try list.waitForExit() == .exited(0))
    #expect(list.outputText == "0\n1\n2\n")

    // Asked about itself: a shell blocks signals of its own accord while it starts something.
    let masks = try ChildProcess("grep", ["-E", "SigBlk|SigIgn", "/proc/self/status"])
    #expect(try masks.waitForExit() == .exited(0))
    let values = masks.outputText.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0, radix: 16) }
    // Signals 32 and 33 are the C library's own, and ignored by its posix_spawn.
    #expect(values.map { $0 & 0x7fff_ffff } == [0, 0])
  }

  @Test("fails a wait at once when it ends without what was expected, and shows what it said")
  func unmetExpectation() throws {
    let child = try ChildProcess("sh", ["-c", "echo something else; echo a reason >&2"])
    let error = #expect(throws: ChildProcessError.self) { try child.expect("never said") }
    #expect(error?.description.contains("something else") == true)
    #expect(error?.description.contains("never said") == true)
  }

  @Test("fails a wait when the time is up")
  func limit() throws {
    let child = try ChildProcess("cat")
    #expect(throws: ChildProcessError.self) { try child.nextLine(within: .milliseconds(20)) }
    #expect(throws: ChildProcessError.self) { try child.waitForExit(within: .milliseconds(20)) }
    #expect(child.isRunning)
  }

  @Test("can't be started where there is no such program")
  func noProgram() {
    #expect(throws: ChildProcessError.self) { try ChildProcess("/nowhere/nothing") }
  }

  @Test("ends with its last reference")
  func endsWithReference() throws {
    var child: ChildProcess? = try ChildProcess("cat")
    let processID = try #require(child?.processID)
    #expect(kill(processID, 0) == 0)
    child = nil
    #expect(kill(processID, 0) == -1)
  }
}
