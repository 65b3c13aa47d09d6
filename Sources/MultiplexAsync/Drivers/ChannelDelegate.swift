/// Whom a channel tells that going on is worth a try: what it does for a connection.
protocol ChannelDelegate: AnyObject {
  /// The wait for input has ended.
  func channelHasInput()

  /// The wait for room has ended.
  func channelHasRoom()
}
