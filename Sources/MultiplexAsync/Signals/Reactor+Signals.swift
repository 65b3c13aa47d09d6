public import Multiplex

extension Reactor {
  /// Receives signals instead of their usual effect, from this call until the sequence and its iterators are released.
  ///
  ///     for await signal in try reactor.signals([SIGINT, SIGTERM]) {
  ///       await listener.shutDown(within: .seconds(10))
  ///       break
  ///     }
  ///
  /// While the sequence exists, even if nothing iterates over it, these signals no longer end the program; only SIGKILL
  /// does.
  ///
  /// A signal sent several times before it is taken may be returned once, as usual for signals. If there are several
  /// sequences, each gets each signal; when the last of them ends, a signal regains the effect that it had before the
  /// first.
  ///
  /// Corresponding C function: `sigaction`.
  ///
  /// - Parameter signals: Their numbers. Without any, the sequence yields nothing, and ends with its task.
  /// - Throws: `MultiplexError.Reason.invalidArgument` for a number that isn't a signal, and for SIGKILL and SIGSTOP;
  ///   EAGAIN (`MultiplexError.Reason.system`) if 64 sequences already exist.
  public func signals(_ signals: [Int32]) throws(MultiplexError) -> SignalSequence {
    let catcher = try SignalCatcher(signals)
    // The reactor's thread may have inherited a mask that blocks them.
    onLoop { SignalCatcher.unblock(signals) }
    return SignalSequence(catcher, on: self)
  }
}
