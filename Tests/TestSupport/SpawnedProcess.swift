internal import class Foundation.ProcessInfo
internal import Glibc
public import Multiplex
internal import SystemPackage

/// A process that has just been started, and our ends of its three pipes, which are non-blocking.
///
/// Not Foundation's `Process`: if this process has more than a thousand descriptors, as it may while tests run in
/// parallel, that one may read past the end of their list and crash (Swift 6.3.1).
@frozen
public struct SpawnedProcess: ~Copyable {
  /// The process itself.
  public let process: RunningProcess
  /// Where to write what it reads.
  public let input: OwnedDescriptor
  /// Where to read what it writes.
  public let output: OwnedDescriptor
  /// Where to read its messages.
  public let errors: OwnedDescriptor

  /// Starts a program.
  ///
  /// It has the three pipes and no other descriptor, no blocked signal and no ignored signal, whatever this process and
  /// the tests that run in parallel have set up.
  ///
  /// - Parameter environment: Added to this process's own.
  public init(_ program: String, _ arguments: [String] = [], environment: [String: String] = [:]) throws {
    let input = try PipeDescriptors()
    let output = try PipeDescriptors()
    let errors = try PipeDescriptors()
    let childEnds = [input.reader.fileDescriptor, output.writer.fileDescriptor, errors.writer.fileDescriptor]
    for end in childEnds {
      // Programs expect blocking streams. Our ends stay non-blocking: each end has its own flags.
      _ = try Kernel.fcntl(end.rawValue, F_SETFL, 0)
    }
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
    let processID = try Self.spawn(program, [program] + arguments, variables, streams: childEnds.map { $0.rawValue })
    process = RunningProcess(processID)
    // The child's ends are closed here, so that a stream ends once the child has closed its end too.
    self.input = input.writer
    self.output = output.reader
    self.errors = errors.reader
  }

  /// Gives up ownership of the descriptors, which stay open.
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
    // Returns when the child has closed its copies of this process's descriptors, and runs the program.
    let status = Forks.make {
      unsafe posix_spawnp(&processID, program, &actions, &attributes, argumentPointers, environmentPointers)
    }
    guard status == 0 else { throw ChildProcessError("can't start \(program): \(Errno(rawValue: status))") }
    return processID
  }

  /// Makes the child close everything beyond the three streams: what this package opens is close-on-exec anyway, but
  /// what a test or the test runner has opened may not be.
  private static func closeAllOthers(_ actions: inout posix_spawn_file_actions_t) {
    typealias AddCloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
    // Available since glibc 2.34, and declared only for _GNU_SOURCE, without which the Glibc module is built.
    guard let symbol = unsafe dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else { return }
    _ = unsafe unsafeBitCast(symbol, to: AddCloseFrom.self)(&actions, 3)
  }

  /// Copies strings to C memory, with nil at the end. The caller frees them.
  private static func cStrings(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
    unsafe texts.map { unsafe strdup($0) } + [nil]
  }
}
