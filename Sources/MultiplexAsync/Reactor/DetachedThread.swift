internal import CMultiplex
package import Multiplex
internal import SystemPackage

/// A detached thread, for an event loop or blocking code: it ends with its body, and nothing waits for it.
package enum DetachedThread {
  /// The body, as a C function pointer can't capture it.
  private final class Body {
    private let name: String
    private let run: @Sendable () -> Void

    init(named name: String, _ run: @escaping @Sendable () -> Void) {
      self.name = name
      self.run = run
    }

    func callAsFunction() {
      // The string exists during the call.
      unsafe cmx_name_current_thread(name)
      run()
    }
  }

  /// Starts a thread.
  ///
  /// - Parameters:
  ///   - name: What `top -H` and debuggers show; at most 15 bytes.
  ///   - body: What the thread runs.
  package static func start(
    named name: String, _ body: @escaping @Sendable () -> Void
  ) throws(MultiplexError) {
    // Retained here and released on the thread, which gets only the pointer.
    let retained = unsafe Unmanaged.passRetained(Body(named: name, body))
    var thread = pthread_t()
    let status = unsafe pthread_create(
      &thread, nil,
      { @Sendable argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()()
        return nil
      }, retained.toOpaque())
    guard status == 0 else {
      unsafe retained.release()
      throw MultiplexError(call: "pthread_create", errno: Errno(rawValue: status))
    }
    pthread_detach(thread)
  }
}
