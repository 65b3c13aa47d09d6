internal import Multiplex
internal import SystemPackage

/// Notifies an observer about one listener. Belongs to its event loop's thread.
final class ListenerObservation {
  private let observer: any ReactorObserver
  private let listener: ObservedListener

  /// Nil unless the observer wants these events. Reports that the listener is listening.
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
