internal import Multiplex

/// What is told of the completions of its operations.
protocol CompletionHandler: AnyObject {
  func handle(_ completion: Ring.Completion, of operation: RingOperation)
}
