extension ConnectionCore {
  /// A pump takes all that comes from here on, if nobody else does. The channel tells the pump itself: by way of the core
  /// each message would count one reference more.
  ///
  /// - Returns: Why it can't.
  func beginPump(_ pump: Pump) -> ConnectionError.Reason? {
    if let readRefusal { return readRefusal }
    self.pump = pump
    channel.delegate = pump
    return nil
  }

  /// Tells the pump when there is something to take. A pump that asked the channel itself would count a reference to it.
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
