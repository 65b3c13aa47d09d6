/// Pipes for splicing, kept for the next who need one. Belongs to the thread of an event loop.
///
/// Most are given back in the turn that has taken them: those alone are out whose bytes wait for room.
final class PipePool {
  /// How many are kept.
  private static let reserve = 4

  private var free: [SplicePipe] = []

  /// - Returns: An empty pipe; nil if there can be none, for want of descriptors.
  func take() -> SplicePipe? {
    free.popLast() ?? (try? SplicePipe())
  }

  /// - Parameter pipe: Taken from here. With bytes left in it, it is closed.
  func give(back pipe: SplicePipe) {
    if pipe.count == 0, free.count < Self.reserve { free.append(pipe) }
  }
}
