internal import Multiplex
internal import SystemPackage

/// One direction of a ``PipeChannel``: a descriptor, and the wait for it. Belongs to its event loop's thread.
final class PipeEnd {
  private let descriptor: OwnedDescriptor
  private let interest: Interest
  private unowned let loop: EventLoop
  private var wait: ReadinessWait?
  private var isAwaited = false

  init(_ descriptor: consuming OwnedDescriptor, for interest: Interest, on loop: EventLoop) {
    self.descriptor = descriptor
    self.interest = interest
    self.loop = loop
  }

  var rawDescriptor: Int32 { descriptor.rawDescriptor }

  /// Calls the body once when a call is worth trying.
  func awaitReadiness(_ body: @escaping () -> Void) {
    guard !isAwaited else { return }
    isAwaited = true
    do throws(MultiplexError) {
      wait = try loop.driver.awaitReadiness(of: rawDescriptor, for: interest) { [weak self] _ in self?.end(body) }
    } catch {
      // A file that is always ready can't be waited for on epoll. The reason for anything else is reported by the call.
      awaitNextTurn(body)
    }
  }

  /// Calls the body once, in the next turn.
  func awaitNextTurn(_ body: @escaping () -> Void) {
    isAwaited = true
    // Used only on the loop's thread.
    nonisolated(unsafe) let body = body
    nonisolated(unsafe) weak let end = self
    loop.performAfterNextWait { unsafe end?.end(body) }
  }

  private func end(_ body: () -> Void) {
    guard isAwaited else { return }
    // An earlier call, which was cancelled, may end this one. Then there is a wait to cancel.
    cancel()
    body()
  }

  func cancel() {
    isAwaited = false
    wait?.cancel()
    wait = nil
  }
}
