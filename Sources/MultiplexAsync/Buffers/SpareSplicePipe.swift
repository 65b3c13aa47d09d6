/// The one pipe that an event loop needs for splicing: what is put into it is taken out at once, in one way or another.
/// Belongs to the thread of the loop.
final class SpareSplicePipe {
  private var pipe: SplicePipe?

  /// An empty pipe, lent, and made when it is first wanted; nil if there is no descriptor for one.
  func lend() -> SplicePipe? {
    if pipe == nil || pipe?.count != 0 { pipe = try? SplicePipe() }
    return pipe
  }
}
