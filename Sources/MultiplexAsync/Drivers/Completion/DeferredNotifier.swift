/// A handler with a delegate, which is notified when all completions of a turn are known: what it did earlier could
/// overtake a send that is about to be handed back.
protocol DeferredNotifier: AnyObject {
  /// All completions of the turn are known.
  func notifyDelegate()
}
