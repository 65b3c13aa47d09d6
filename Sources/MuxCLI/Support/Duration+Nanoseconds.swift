extension Duration {
  /// Whole nanoseconds; enough for three centuries.
  var wholeNanoseconds: Int {
    Int(components.seconds) * MonotonicClock.second + Int(components.attoseconds / 1_000_000_000)
  }
}
