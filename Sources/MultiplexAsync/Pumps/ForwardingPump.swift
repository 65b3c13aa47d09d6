internal import Multiplex

/// Forwards everything received on a connection to another of the same reactor: ``Connection/forward(to:progress:)``.
final class ForwardingPump: Pump, @unchecked Sendable {
  /// How many bytes were forwarded.
  private(set) var total = 0
  /// How many written bytes had to wait for room.
  private var waiting = 0
  private let progress: (@Sendable (Int) -> Void)?

  /// Makes a pump for the calling task.
  init(from source: Connection, to destination: Connection, progress: (@Sendable (Int) -> Void)?) {
    self.progress = progress
    let ids = unsafe (source.core.makeWaitID(), destination.core.makeWaitID())
    super.init(from: source, to: destination, ids: ids)
  }

  override func step() throws(ConnectionError) -> Step {
    note(waiting)
    waiting = 0
    return core.isBulky ? try moveBulk() : try copyNext()
  }

  private func copyNext() throws(ConnectionError) -> Step {
    guard let outcome = core.takeNow() else { return .awaitInput }
    guard let chunk = try input.chunk(of: outcome) else { return .end }
    let count = chunk.count
    let next = try Step(after: output.begin(chunk), on: output)
    if case .awaitOutput = next { waiting = count } else { note(count) }
    return next
  }

  private func moveBulk() throws(ConnectionError) -> Step {
    // Queued bytes are sent first.
    guard unsafe output.core.unsentCount == 0 else { return .awaitOutput(.flush) }
    switch unsafe core.forwardNow(to: output.core) {
    case .unfit: return try copyNext()
    case .nothing: return .awaitInput
    case .refused(let reason): throw input.failure(reason, during: .read)
    case .moved(let count):
      if let reason = unsafe output.core.refusal { throw output.failure(reason, during: .write) }
      note(count)
      return .continue
    }
  }

  private func note(_ count: Int) {
    guard count > 0 else { return }
    total += count
    progress?(count)
  }
}
