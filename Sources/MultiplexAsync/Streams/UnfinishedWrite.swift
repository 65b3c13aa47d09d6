/// What is left to do of a write that can't be done at once.
@usableFromInline
struct UnfinishedWrite: Sendable {
  enum Rest {
    /// To wait until the queue has fallen to the low watermark.
    case room
    /// To let others have their turn.
    case turn
    /// Nothing: it has failed.
    case nothing(ConnectionError.Reason)
    /// All of it, on the reactor's thread.
    case elsewhere([[UInt8]])
  }

  let rest: Rest

  private init(_ rest: Rest) { self.rest = rest }

  static func elsewhere(_ pieces: [[UInt8]]) -> Self { Self(.elsewhere(pieces)) }

  /// - Returns: nil if the write is done.
  static func here(after outcome: Stream.WriteOutcome) -> Self? {
    switch outcome {
    case .taken: nil
    case .full: Self(.room)
    case .busy: Self(.turn)
    case .refused(let reason): Self(.nothing(reason))
    }
  }
}
