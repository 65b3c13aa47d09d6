public import Multiplex

extension Reactor {
  /// Receives signals instead of their usual effect, from this call until the sequence and its iterators are gone.
  ///
  ///     for await signal in try reactor.signals([SIGINT, SIGTERM]) {
  ///       await listener.shutDown(within: .seconds(10))
  ///       break
  ///     }
  ///
  /// As long as the sequence is kept, and be it that nobody takes from it, nothing but SIGKILL ends the program by one of these.
  ///
  /// A signal that comes several times before it is taken may be returned once, as with the kernel. Of several sequences
  /// each gets each signal; when the last of them ends, a signal has the effect again that it had before the first.
  ///
  /// Corresponding C function: `sigaction`.
  ///
  /// - Parameter signals: Their numbers; SIGKILL and SIGSTOP can't be received.
  /// - Throws: `MultiplexError.Reason.invalidArgument` for what is no signal; and when there are 64 sequences already.
  public func signals(_ signals: [Int32]) throws(MultiplexError) -> SignalSequence {
    let catcher = try SignalCatcher(signals)
    // The reactor's thread may have inherited a mask that blocks them.
    onLoop { SignalCatcher.unblock(signals) }
    return SignalSequence(catcher, on: self)
  }
}
