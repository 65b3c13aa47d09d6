import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension Failure {
  /// Explains that a Unix socket can't be bound, if that is because its path belongs to something else: nothing listens
  /// there that could be stopped. Such a file is never replaced, as it isn't the tool's.
  ///
  /// - Returns: nil if there is another reason.
  init?(_ error: MultiplexError, occupied path: String) {
    guard error.errno == .addressInUse, let kind = Self.kind(ofFileAt: path) else { return nil }
    self.init(
      "can't listen on \(SocketAddress.unix(path: path).argument): it is \(kind); choose another path", .unavailable)
  }

  /// - Returns: nil for a socket, and a link to one, and if there is nothing.
  private static func kind(ofFileAt path: String) -> String? {
    guard (try? FileStatus.withoutFollowing(path)) != nil else { return nil }
    guard let status = try? FileStatus.of(path) else { return "a link that leads nowhere" }
    switch status.st_mode & S_IFMT {
    case S_IFSOCK: return nil
    case S_IFDIR: return "a directory"
    default: return "a file, and no socket"
    }
  }
}
