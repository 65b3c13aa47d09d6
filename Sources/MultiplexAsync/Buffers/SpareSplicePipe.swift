/// The one pipe that an event loop needs for splicing: it is always emptied again right after it was filled. Belongs to
/// the loop's thread.
final class SpareSplicePipe {
  private var pipe: SplicePipe?

  /// An empty pipe, made when it is first needed; nil if there is no descriptor for one.
  func emptyPipe() -> SplicePipe? {
    if pipe == nil || pipe?.count != 0 { pipe = try? SplicePipe() }
    return pipe
  }
}
