internal import Multiplex
internal import SystemPackage

extension ConnectionError {
  /// - Parameter address: The address that was tried; nil if the error contains it, or there were several.
  init(connecting error: any Error, to address: SocketAddress? = nil) {
    let reason: Reason =
      switch error {
      case let error as ConnectionError: error.reason
      case let error as MultiplexError where error.reason == .unknownAddress || error.isLookupFailure:
        .unresolved(error)
      case let error as MultiplexError: Reason(error.errno)
      case is DeadlineExceeded: .timedOut
      default: .cancelled
      }
    self.init(reason, during: .connect, peer: address ?? (error as? ConnectionError)?.peer)
  }
}
