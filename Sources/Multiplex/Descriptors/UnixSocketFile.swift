internal import CMultiplex
internal import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The file that stands for a Unix socket in the file system, and outlives it.
public enum UnixSocketFile {
  /// Removes the file of a socket that nobody listens on any more. Every other file is left alone, and so is a path
  /// where there is nothing.
  ///
  /// - Throws: What keeps a dead socket's file from being removed.
  public static func removeIfDead(_ path: String) throws(MultiplexError) {
    guard isSocket(path), isDead(path) else { return }
    do {
      try Kernel.unlink(path)
    } catch .noSuchFileOrDirectory {
      // Somebody else was faster.
    } catch {
      throw MultiplexError(call: "unlink", subject: path, errno: error)
    }
  }

  private static func isSocket(_ path: String) -> Bool {
    guard let mode = try? Kernel.fileMode(path) else { return false }
    return mode & S_IFMT == S_IFSOCK
  }

  /// Only a refusal proves that nobody listens: a full backlog or a lack of rights doesn't.
  private static func isDead(_ path: String) -> Bool {
    do {
      _ = try Socket.connecting(to: .unix(path: path))
      return false
    } catch {
      return error.errno == .connectionRefused
    }
  }
}
