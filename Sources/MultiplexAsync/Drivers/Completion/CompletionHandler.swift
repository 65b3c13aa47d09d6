internal import Multiplex
internal import SystemPackage

/// Handles the completions of its operations.
protocol CompletionHandler: AnyObject {
  /// The descriptor of the operations.
  var descriptor: FileDescriptor { get }

  func handle(_ completion: Ring.Completion, of operation: RingOperation)
}
