import Multiplex

extension Interest {
  /// Every interest there is.
  static let combinations: [Interest] = [
    .read, .write, .priority, .read | .write, .read | .priority, .write | .priority, .read | .write | .priority,
  ]
}
