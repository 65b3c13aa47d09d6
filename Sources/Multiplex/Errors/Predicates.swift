internal import CMultiplex
package import SystemPackage

extension MultiplexError {
  /// Whether a name couldn't be looked up, for any reason.
  package var isLookupFailure: Bool { call == "getaddrinfo" }
}

extension Errno {
  /// Whether this process or the system has as many descriptors as it may.
  package var isOpenFileLimit: Bool { self == .tooManyOpenFiles || self == .tooManyOpenFilesInSystem }

  /// Whether an error of accept belongs to the waiting connection, as listed in accept(2), and not to the listener.
  package var isTransientAcceptError: Bool {
    switch self {
    case .interrupted, .connectionAbort, .networkDown, .protocolError, .protocolNotAvailable, .hostIsDown,
      .noRouteToHost, .networkUnreachable, Errno(rawValue: ENONET):
      true
    default:
      false
    }
  }
}
