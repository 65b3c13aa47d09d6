/// Something that a driver waits for, and tells the end of once.
protocol DriverWait: AnyObject {
  /// Forgets the wait, unless it has ended: nothing is told any more.
  func cancel()
}
