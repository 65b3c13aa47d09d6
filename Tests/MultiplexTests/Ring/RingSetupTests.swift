import CMultiplex
import Multiplex
import SystemPackage
import TestSupport
import Testing

/// The parameters a ring is made with, and why it can't be made.
@Suite("Ring, set-up", .needsRing) struct RingSetupTests {
  @Test(
    "features and operations are those that the kernel reports to another program",
    .enabled(if: Executable.installed("python3") != nil))
  func witness() throws {
    let program = """
      import ctypes, struct
      libc = ctypes.CDLL(None, use_errno=True)
      params = ctypes.create_string_buffer(120)
      fd = libc.syscall(425, 4, params)
      assert fd >= 0
      probe = ctypes.create_string_buffer(16 + 256 * 8)
      assert libc.syscall(427, fd, 8, probe, 256) == 0
      print(struct.unpack_from("<I", params, 20)[0])
      count = probe.raw[1]
      entries = [struct.unpack_from("<BBHI", probe, 16 + 8 * index) for index in range(count)]
      print(*[opcode for opcode, _, flags, _ in entries if flags & 1])
      """
    let lines = try Python.run(program).split(separator: "\n")
    let ring = try Ring()
    #expect(lines.first.flatMap { UInt32($0) } == ring.features.flags)
    #expect(Set(try #require(lines.last).split(separator: " ").compactMap { UInt8($0) }) == ring.features.operations)
    #expect(ring.features.operations.isSuperset(of: [cmx_OP_NOP, cmx_OP_POLL_ADD, cmx_OP_ACCEPT, cmx_OP_RECV]))
  }

  @Test("a single-issuer ring defers work if the kernel supports it, and no other ring does")
  func deferring() throws {
    let single = try Ring(isSingleIssuer: true).features
    let shared = try Ring().features
    #expect(single.defersWork == (single.setup & cmx_SETUP_DEFER_TASKRUN != 0))
    #expect(!shared.defersWork)
    // IORING_FEAT_RECVSEND_BUNDLE is newer than both: Linux 6.10.
    if single.flags & (1 << 14) != 0 { #expect(single.defersWork && single.supportsMultishotReceive) }
  }

  @Test("kernels before 5.19, which has the operation to make a socket, are refused as too old")
  func tooOld() throws {
    let features = try Ring().features
    var parameters = cmx_ring_params()
    parameters.features = features.flags
    try Ring.Features(parameters, features.operations).check()
    let error = #expect(throws: MultiplexError.self) {
      try Ring.Features(parameters, features.operations.subtracting([45])).check()
    }
    #expect(error?.errno == .noFunction)
    #expect(error?.advice?.contains("5.19") == true)
  }

  #if MULTIPLEX_FAULTS
    @Test(
      "a kernel without io_uring, one that forbids it and a memory limit are distinguished, with advice",
      arguments: [
        (Errno.noFunction, "Linux 5.19"), (.notPermitted, "io_uring_disabled"), (.permissionDenied, "seccomp"),
        (.noMemory, "ulimit -l"), (.invalidArgument, "too old"),
      ])
    func refused(errno: Errno, words: String) throws {
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.io_uring_setup: [errno]])
      try FaultPlan.$current.withValue(plan) {
        let error = try #require(throws: MultiplexError.self) { _ = try Ring() }
        #expect(error.errno == errno)
        #expect(error.call == "io_uring_setup")
        #expect(error.advice?.contains(words) == true)
        let backend = Poller.Backend.ioUring
        #expect(backend.unavailability == error)
        #expect(throws: error) { try Poller(backend: backend) }
        #expect(Poller.Backend.automatic != backend)
      }
      #expect(Poller.Backend.ioUring.unavailability == nil)
    }

    @Test("a temporary shortage of descriptors makes nothing unavailable")
    func shortage() throws {
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.io_uring_setup: [.tooManyOpenFiles]])
      FaultPlan.$current.withValue(plan) {
        #expect(Poller.Backend.ioUring.unavailability == nil)
        let error = #expect(throws: MultiplexError.self) { _ = try Ring() }
        #expect(error?.reason == .openFileLimit)
      }
    }

    @Test("flags that a kernel doesn't know are dropped one by one, the newest first", arguments: UInt64(1)...40)
    func fallback(seed: UInt64) throws {
      let newestFirst = [
        cmx_SETUP_NO_SQARRAY, cmx_SETUP_DEFER_TASKRUN, cmx_SETUP_SINGLE_ISSUER, cmx_SETUP_TASKRUN_FLAG,
        cmx_SETUP_COOP_TASKRUN, cmx_SETUP_SUBMIT_ALL,
      ]
      let whole = try Ring(isSingleIssuer: true).features.setup
      let plan = FaultPlan(seed: seed, oneIn: 2, faults: [.io_uring_setup: [.invalidArgument]])
      do {
        let made = try FaultPlan.$current.withValue(plan) { try SharedRing(isSingleIssuer: true) }
        let left = newestFirst.dropFirst(plan.injected).reduce(0, |)
        #expect(made.setup & newestFirst.reduce(0, |) == whole & left)
        #expect(try made.roundTrip(token: seed) == [seed])
      } catch {
        #expect(plan.injected == newestFirst.count + 1)
        #expect((error as? MultiplexError)?.reason == .invalidArgument)
      }
    }

    @Test("memory that can't be mapped is an error, and the ring's descriptor is closed", arguments: UInt64(1)...10)
    func unmapped(seed: UInt64) throws {
      let plan = FaultPlan(seed: seed, oneIn: 2, faults: [.mmap: [.noMemory]])
      let before = openDescriptors(ofKind: "io_uring")
      for _ in 0..<50 {
        do {
          _ = try FaultPlan.$current.withValue(plan) { try SharedRing(isSingleIssuer: false) }
        } catch {
          #expect((error as? MultiplexError)?.call == "mmap")
          #expect((error as? MultiplexError)?.errno == .noMemory)
        }
      }
      #expect(plan.injected > 0)
      #expect(eventually { openDescriptors(ofKind: "io_uring") < before + 30 })
    }

    @Test("nothing is lost when the kernel is busy", arguments: UInt64(1)...10)
    func busy(seed: UInt64) throws {
      let plan = FaultPlan(seed: seed, oneIn: 3, faults: [.io_uring_enter: [.resourceBusy, .interrupted]])
      var ring = try Ring(entries: 4, completions: 8)
      var tokens: [UInt64] = []
      try FaultPlan.$current.withValue(plan) {
        var token: UInt64 = 0
        while tokens.count < 300 {
          do {
            if token < 300 {
              try ring.prepare(.nop(token: token))
              token += 1
            } else {
              try ring.submit()
            }
          } catch {
            guard (error as? MultiplexError)?.errno == .resourceBusy else { throw error }
            // If room is needed, try again.
          }
          while let completion = ring.nextCompletion() { tokens.append(completion.token) }
        }
      }
      #expect(tokens == Array(0..<300))
      #expect(plan.injected > 0)
    }
  #endif
}
