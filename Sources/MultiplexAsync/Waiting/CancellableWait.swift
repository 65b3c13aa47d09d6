/// Something that is waited for, and tells its end once.
protocol CancellableWait: AnyObject {
  /// Forgets the wait, unless it has ended: nothing is told any more.
  func cancel()
}
