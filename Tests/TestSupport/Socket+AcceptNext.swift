public import Multiplex

extension Socket {
  /// Waits for the next connection, and accepts it. The listener may learn of a connected client a moment later.
  public func acceptNext() throws -> Socket {
    var accepted: Socket?
    _ = try eventually {
      accepted = try accept()
      return accepted != nil
    }
    guard let accepted else { throw NoConnection() }
    return accepted
  }
}

private struct NoConnection: Error {}
