internal import class Foundation.Thread
internal import Glibc
internal import Multiplex
internal import Synchronization
internal import SystemPackage

/// The three streams of a child process, served by their own thread.
///
/// The child never waits for the test to read what it writes, and the test never waits for the child to read what it is
/// sent. Both are kept here, without limit.
final class ChildStreams: Sendable {
  private struct State {
    var output = CapturedStream()
    var errors = CapturedStream()
    /// What the child has not been sent yet.
    var input: ArraySlice<UInt8> = []
    /// No more input follows.
    var isInputComplete = false
    var isStopped = false
  }

  private let state = Mutex(State())
  /// An eventfd, which never raises SIGPIPE.
  private let wakeUp: OwnedDescriptor

  /// Starts the thread. It ends with ``stop()``, and with the streams.
  init(of process: consuming SpawnedProcess) throws {
    wakeUp = OwnedDescriptor(adopting: try Kernel.eventfd())
    // A closure can't consume what it captures, so the descriptors are passed to the thread as numbers.
    let ends = process.release()
    Thread { [self] in
      serve(
        input: OwnedDescriptor(adopting: ends.input), output: OwnedDescriptor(adopting: ends.output),
        errors: OwnedDescriptor(adopting: ends.errors))
    }.start()
  }

  var output: CapturedStream { state.withLock { $0.output } }
  var errors: CapturedStream { state.withLock { $0.errors } }

  func takeOutput(through text: [UInt8], searched: inout Int) -> String? {
    state.withLock { $0.output.take(through: text, searched: &searched) }
  }

  func takeAllOutput() -> String { state.withLock { $0.output.takeAll() } }

  func send(_ bytes: [UInt8]) {
    state.withLock { $0.input += bytes }
    wake()
  }

  func closeInput() {
    state.withLock { $0.isInputComplete = true }
    wake()
  }

  func stop() {
    state.withLock { $0.isStopped = true }
    wake()
  }

  private func wake() {
    let one: [UInt64] = [1]
    _ = try? wakeUp.write(unsafe one.span.bytes)  // any number is eight valid bytes
  }
}

// MARK: - The thread

extension ChildStreams {
  private func serve(
    input: consuming OwnedDescriptor, output: consuming OwnedDescriptor, errors: consuming OwnedDescriptor
  ) {
    // Writing to a child that no longer reads fails with EPIPE. The accompanying signal stays pending in this thread.
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGPIPE)
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)

    var input = Optional(input)
    var output = Optional(output)
    var errors = Optional(errors)
    while true {
      let (isStopped, hasInput, isComplete) = state.withLock { ($0.isStopped, !$0.input.isEmpty, $0.isInputComplete) }
      if isComplete, !hasInput { input = nil }
      if isStopped || (input == nil && output == nil && errors == nil) { break }
      let ready = wait(input: hasInput ? input?.fileDescriptor : nil, [output?.fileDescriptor, errors?.fileDescriptor])
      if let descriptor = input?.fileDescriptor, ready.contains(descriptor), !sendMore(to: descriptor) { input = nil }
      if let descriptor = output?.fileDescriptor, ready.contains(descriptor), !readMore(of: \.output, from: descriptor)
      {
        output = nil
      }
      if let descriptor = errors?.fileDescriptor, ready.contains(descriptor), !readMore(of: \.errors, from: descriptor)
      {
        errors = nil
      }
    }
    state.withLock { state in
      state.output.isAtEnd = true
      state.errors.isAtEnd = true
    }
  }

  /// Waits for room in the input, for output, or for a ``wake()``.
  private func wait(input: FileDescriptor?, _ outputs: [FileDescriptor?]) -> [FileDescriptor] {
    var set = PollSet()
    try? set.register(wakeUp, for: .in)
    if let input { try? set.register(input, for: .out) }
    for output in outputs.compactMap(\.self) { try? set.register(output, for: .in) }
    let ready = (try? set.poll().map(\.descriptor)) ?? []
    if ready.contains(wakeUp.fileDescriptor) { _ = Self.read(from: wakeUp.fileDescriptor) }
    return ready
  }

  /// - Returns: False when the child no longer reads.
  private func sendMore(to descriptor: FileDescriptor) -> Bool {
    let next = state.withLock { $0.input.prefix(65_536) }
    do {
      let count = try unsafe next.withUnsafeBytes { try unsafe descriptor.write($0) }
      state.withLock { $0.input = $0.input.dropFirst(count) }
      return true
    } catch {
      guard (error as? Errno) != .resourceTemporarilyUnavailable else { return true }
      state.withLock { $0.input = [] }
      return false
    }
  }

  /// - Returns: False at the end of the stream.
  private func readMore(
    of stream: any WritableKeyPath<State, CapturedStream> & Sendable, from descriptor: FileDescriptor
  )
    -> Bool
  {
    guard let bytes = Self.read(from: descriptor) else { return true }
    state.withLock { state in
      state[keyPath: stream].append(bytes)
      state[keyPath: stream].isAtEnd = bytes.isEmpty
    }
    return !bytes.isEmpty
  }

  /// Reads what is there: empty at the end, nil if nothing is there yet.
  private static func read(from descriptor: FileDescriptor) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    do {
      let count = try unsafe bytes.withUnsafeMutableBytes { try unsafe descriptor.read(into: $0) }
      return Array(bytes.prefix(count))
    } catch {
      return (error as? Errno) == .resourceTemporarilyUnavailable ? nil : []
    }
  }
}
