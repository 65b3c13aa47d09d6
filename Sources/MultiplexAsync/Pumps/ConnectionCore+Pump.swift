extension ConnectionCore {
  /// Lets a pump take all input from here on, unless something else reads. The channel notifies the pump directly:
  /// going through the core would cost one more retain per message.
  ///
  /// - Returns: Why the pump can't start; nil if it can.
  func beginPump(_ pump: Pump) -> ConnectionError.Reason? {
    if let readRefusal { return readRefusal }
    self.pump = pump
    channel.delegate = pump
    return nil
  }

  /// Notifies the pump when there is input. A pump that called the channel itself would retain it.
  func awaitPumpInput() {
    channel.awaitInput()
  }

  func endPump() {
    pump = nil
    guard !isClosed else { return }
    channel.cancelInput()
    channel.delegate = self
  }
}
