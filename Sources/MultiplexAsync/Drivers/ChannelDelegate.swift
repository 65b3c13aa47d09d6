/// Is notified when a channel should be tried again.
protocol ChannelDelegate: AnyObject {
  /// The wait for input has ended.
  func channelHasInput()

  /// The wait for room has ended.
  func channelHasRoom()

  /// The kernel has taken bytes that the channel had accepted earlier.
  func channelHasSent()
}
