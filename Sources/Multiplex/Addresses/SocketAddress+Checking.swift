internal import SystemPackage

extension SocketAddress {
  /// Refuses paths of which the kernel would see only a part.
  func check(for call: String) throws(MultiplexError) {
    guard case .unix(let path) = self else { return }
    guard path.utf8.count <= Self.maximumPathLength else {
      throw MultiplexError(
        call: call, subject: path, reason: .invalidArgument, errno: .fileNameTooLong,
        advice: "the path of a Unix socket can have at most \(Self.maximumPathLength) bytes")
    }
    // Names in the abstract namespace begin with a zero byte, and may contain more.
    guard path.utf8.first == 0 || !path.utf8.contains(0) else {
      throw .outOfRange(
        "'\(path.prefix { $0 != "\0" })\\0...'", for: call,
        advice: "a path can't contain a zero byte, except first (abstract namespace)")
    }
  }
}
