internal import class Foundation.ProcessInfo
internal import Glibc
internal import Multiplex
internal import SystemPackage

/// A process that has just been started, and our ends of its three pipes.
struct SpawnedProcess: ~Copyable {
  let processID: Int32
  let input: OwnedDescriptor
  let output: OwnedDescriptor
  let errors: OwnedDescriptor

  /// Starts a program.
  ///
  /// It has the three pipes and no other descriptor, no signal blocked, and no signal ignored, whatever this process
  /// and the tests that run beside this one have set up.
  ///
  /// - Parameter environment: Added to this process's own.
  init(_ program: String, _ arguments: [String], environment: [String: String]) throws {
    let input = try PipeDescriptors()
    let output = try PipeDescriptors()
    let errors = try PipeDescriptors()
    let childEnds = [input.reader.fileDescriptor, output.writer.fileDescriptor, errors.writer.fileDescriptor]
    for end in childEnds {
      // Programs expect streams that block. Our ends stay non-blocking: each end has flags of its own.
      _ = try Kernel.fcntl(end.rawValue, F_SETFL, 0)
    }
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
    processID = try Self.spawn(program, [program] + arguments, variables, streams: childEnds.map { $0.rawValue })
    // The child's ends are closed here: the end of a stream comes when the child, too, has closed its end.
    self.input = input.writer
    self.output = output.reader
    self.errors = errors.reader
  }

  /// Gives the descriptors away, open.
  consuming func release() -> (input: FileDescriptor, output: FileDescriptor, errors: FileDescriptor) {
    (input.release(), output.release(), errors.release())
  }

  private static func spawn(
    _ program: String, _ arguments: [String], _ environment: [String], streams: [Int32]
  ) throws -> Int32 {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (target, end) in zip(Int32(0)..., streams) {
      unsafe posix_spawn_file_actions_adddup2(&actions, end, target)
    }
    unsafe closeAllOthers(&actions)

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigfillset(&signals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var processID: Int32 = 0
    let argumentPointers = unsafe cStrings(arguments)
    defer { unsafe argumentPointers.forEach { unsafe free($0) } }
    let environmentPointers = unsafe cStrings(environment)
    defer { unsafe environmentPointers.forEach { unsafe free($0) } }
    // Returns when the child has closed its copies of what is open here, and become the program.
    let status = Forks.make {
      unsafe posix_spawnp(&processID, program, &actions, &attributes, argumentPointers, environmentPointers)
    }
    guard status == 0 else { throw ChildProcessError("can't start \(program): \(Errno(rawValue: status))") }
    return processID
  }

  /// Has everything beyond the three streams closed: what this package opens is close-on-exec anyway, what a test or the
  /// test's runner has opened may not be.
  private static func closeAllOthers(_ actions: inout posix_spawn_file_actions_t) {
    typealias AddCloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
    // Since glibc 2.34, and declared for _GNU_SOURCE only, which the Glibc module isn't built with.
    guard let symbol = unsafe dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else { return }
    _ = unsafe unsafeBitCast(symbol, to: AddCloseFrom.self)(&actions, 3)
  }

  /// Copies texts to where C wants them, with nil at the end; the caller frees them.
  private static func cStrings(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
    unsafe texts.map { unsafe strdup($0) } + [nil]
  }
}
