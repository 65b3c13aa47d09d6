internal import CMultiplex
internal import SystemPackage

/// The file that stands for a Unix socket in the file system, and outlives it.
public enum UnixSocketFile {
  /// Removes the file of a socket that nobody listens on any more. Every other file is left alone, and so is a path
  /// where there is nothing.
  ///
  /// Waits up to a second for others that do the same in the same folder.
  ///
  /// - Throws: What keeps a dead socket's file from being removed.
  public static func removeIfDead(_ path: String) throws(MultiplexError) {
    try whileLocked(path) { () throws(MultiplexError) in try remove(path) }
  }

  /// Removes as ``removeIfDead(_:)`` does, but waits for nobody.
  ///
  /// - Returns: False if others keep the folder locked, so that nothing was done.
  package static func removeIfDeadAtOnce(_ path: String) -> Bool {
    guard let folder = openFolder(of: path) else {
      try? remove(path)
      return true
    }
    guard lock(folder, within: .zero) != .busy else { return false }
    try? remove(path)
    // Closing it gives the lock up.
    withExtendedLifetime(folder) {}
    return true
  }

  /// Has a socket listen at a path, where a dead one may be in the way.
  ///
  /// - Parameter listen: Binds the socket to the path, and listens.
  static func replaceIfDead(
    _ path: String, by listen: () throws(MultiplexError) -> Void
  ) throws(MultiplexError) {
    try whileLocked(path) { () throws(MultiplexError) in
      try remove(path)
      try listen()
    }
  }

  private static func remove(_ path: String) throws(MultiplexError) {
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
    return mode & mode_t(S_IFMT) == mode_t(S_IFSOCK)
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

  /// How long to wait for others that are at the same: each needs a moment.
  private static let patience = Duration.seconds(1)

  /// Keeps other processes that use this package from doing the same in the path's folder meanwhile. Between the look at
  /// a dead socket's file and its removal, somebody else could put a live one there; and a socket that is bound, but
  /// doesn't listen yet, looks dead.
  ///
  /// Where the folder can't be locked, because it can't be read, say, or somebody keeps it locked, it is done all the same.
  private static func whileLocked(
    _ path: String, _ body: () throws(MultiplexError) -> Void
  ) throws(MultiplexError) {
    guard let folder = openFolder(of: path) else { return try body() }
    _ = lock(folder, within: patience)
    try body()
    // Closing it gives the lock up.
    withExtendedLifetime(folder) {}
  }

  private static func openFolder(of path: String) -> OwnedDescriptor? {
    // Abstract names, and the one that the kernel makes up for the empty path, have no file.
    guard let first = path.utf8.first, first != 0 else { return nil }
    let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? "."
    guard let fd = try? Kernel.openFolder(folder) else { return nil }
    return OwnedDescriptor(adopting: fd)
  }

  /// The result of an attempt to lock a folder.
  private enum Lock {
    case held
    /// Others have it.
    case busy
    case impossible
  }

  /// - Parameter limit: How long to wait for others; zero and less don't wait.
  private static func lock(_ folder: borrowing OwnedDescriptor, within limit: Duration) -> Lock {
    let deadline = Deadline(after: limit)
    repeat {
      do {
        try Kernel.lock(folder.fileDescriptor.rawValue)
        return .held
      } catch .tryAgain, .interrupted {
        continue
      } catch {
        return .impossible
      }
    } while deadline.pause()
    return .busy
  }
}
