internal import Multiplex

/// The work of ``Connection/forward(to:progress:)`` between connections of one reactor.
final class Forwarding: PumpWork {
  /// How many bytes were forwarded.
  private(set) var total = 0
  /// How many bytes were written that had to wait for room.
  private var waiting = 0
  private let source: Connection
  private let destination: Connection
  private let progress: (@Sendable (Int) -> Void)?

  init(from source: Connection, to destination: Connection, progress: (@Sendable (Int) -> Void)?) {
    self.source = source
    self.destination = destination
    self.progress = progress
  }

  func step() -> Pump.Step {
    note(waiting)
    waiting = 0
    do throws(ConnectionError) {
      return unsafe source.stream.isBulky ? try moveBulk() : try copyNext()
    } catch {
      return .end(error)
    }
  }

  private func copyNext() throws(ConnectionError) -> Pump.Step {
    guard let outcome = unsafe source.stream.takeNow() else { return .awaitInput }
    guard let chunk = try source.chunk(of: outcome) else { return .end(nil) }
    let count = chunk.count
    let next = Pump.Step(after: destination.begin(chunk), on: destination)
    switch next {
    case .end: break
    case .awaitOutput: waiting = count
    case .goOn, .awaitInput: note(count)
    }
    return next
  }

  private func moveBulk() throws(ConnectionError) -> Pump.Step {
    // What is queued goes first, by way of the queue.
    guard unsafe destination.stream.unsentCount == 0 else { return .awaitOutput(.flush) }
    switch unsafe source.stream.forwardNow(to: destination.stream) {
    case .unfit: return try copyNext()
    case .nothing: return .awaitInput
    case .moved(let count):
      if let reason = unsafe destination.stream.refusal { throw destination.failure(reason, during: .write) }
      note(count)
      return .goOn
    }
  }

  private func note(_ count: Int) {
    guard count > 0 else { return }
    total += count
    progress?(count)
  }
}
