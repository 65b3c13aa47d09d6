internal import Multiplex
internal import SystemPackage

/// What is told of the completions of its operations.
protocol CompletionHandler: AnyObject {
  /// What the operations are done on.
  var descriptor: FileDescriptor { get }

  func handle(_ completion: Ring.Completion, of operation: RingOperation)
}
