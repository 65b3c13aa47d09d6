internal import Multiplex
internal import SystemPackage

/// Tells an observer about one listener. Belongs to the thread of its event loop.
final class ListenerObservation {
  private let observer: any ReactorObserver
  private let listener: ObservedListener

  /// Nil unless the observer wants to know. Tells that the listener is there.
  init?(_ subscription: Subscription?, descriptor: Int32, address: SocketAddress) {
    guard let subscription, subscription.events.contains(.listeners) else { return nil }
    observer = subscription.observer
    listener = ObservedListener(descriptor: FileDescriptor(rawValue: descriptor), localAddress: address)
    observer.listening(listener)
  }

  func acceptFailed(_ error: MultiplexError) {
    observer.acceptFailed(listener, because: error)
  }

  func stopped() {
    observer.stoppedListening(listener)
  }
}
