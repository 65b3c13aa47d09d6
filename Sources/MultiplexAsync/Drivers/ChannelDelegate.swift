/// Is notified when a channel should be tried again.
protocol ChannelDelegate: AnyObject {
  /// The wait for input has ended.
  func channelHasInput()

  /// The wait for room has ended.
  func channelHasRoom()
}
