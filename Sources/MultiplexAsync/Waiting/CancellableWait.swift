/// A wait that reports its end once.
protocol CancellableWait: AnyObject {
  /// Cancels the wait, unless it has ended: nothing is reported any more.
  func cancel()
}
