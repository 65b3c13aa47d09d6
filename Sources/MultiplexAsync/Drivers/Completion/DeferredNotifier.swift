/// A handler with a delegate, which is told when all completions of a turn are known: what it did before might get ahead of
/// a send that is about to be given back.
protocol DeferredNotifier: AnyObject {
  /// They are known.
  func notifyDelegate()
}
