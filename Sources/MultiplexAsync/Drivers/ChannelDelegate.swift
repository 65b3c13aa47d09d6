/// What a channel tells when going on is worth a try.
protocol ChannelDelegate: AnyObject {
  /// The wait for input has ended.
  func channelHasInput()

  /// The wait for room has ended.
  func channelHasRoom()
}
