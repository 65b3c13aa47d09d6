internal import CMultiplex
package import Multiplex
internal import SystemPackage

/// A detached thread, for an event loop or blocking code: it ends with its body, and nothing waits for it.
package enum DetachedThread {
  /// The body, as a C function pointer can't capture it.
  private final class Body {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
      self.run = run
    }
  }

  package static func start(_ body: @escaping @Sendable () -> Void) throws(MultiplexError) {
    // Retained here and released on the thread, which gets only the pointer.
    let retained = unsafe Unmanaged.passRetained(Body(body))
    var thread = pthread_t()
    let status = unsafe pthread_create(
      &thread, nil,
      { @Sendable argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, retained.toOpaque())
    guard status == 0 else {
      unsafe retained.release()
      throw MultiplexError(call: "pthread_create", errno: Errno(rawValue: status))
    }
    pthread_detach(thread)
  }
}
