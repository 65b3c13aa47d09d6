extension Duration {
  /// The duration in whole nanoseconds. An `Int` can hold almost three centuries.
  var wholeNanoseconds: Int {
    Int(components.seconds) * MonotonicClock.second + Int(components.attoseconds / 1_000_000_000)
  }
}
