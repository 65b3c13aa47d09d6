import Multiplex

/// One turn of a reactor in which something happened.
struct Turn: Sendable {
  /// The number of the turn, counted from 1.
  let number: Int
  /// What was registered when it began.
  let registered: Registrations.Snapshot
  /// What the wait found.
  let ready: Excerpt<(descriptor: Int32, readiness: Readiness)>
  /// What was done, in this order.
  let done: Excerpt<(descriptor: Int32, action: Action)>
  /// How long the thread waited, in nanoseconds: since the turn before.
  let waited: Int
  /// How long it then took to do everything, in nanoseconds.
  let worked: Int

  var registeredWords: [String] { registered.words }
  var readyWords: [String] { ready.words { "\($0.descriptor) \($0.readiness)" } }
  var doneWords: [String] { done.words { "\($0.descriptor) \($0.action)" } }
}
