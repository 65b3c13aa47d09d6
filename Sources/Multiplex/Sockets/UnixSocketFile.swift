internal import CMultiplex
internal import SystemPackage

/// The file of a Unix socket in the file system, which outlives the socket.
public enum UnixSocketFile {
  /// Removes a stale socket file: one that nobody listens on any longer. Any other file is left alone. It is no error
  /// if there is no file.
  ///
  /// Waits up to a second for others that do the same in the same directory.
  ///
  /// - Parameter path: The path of the file.
  /// - Throws: Why a stale socket file can't be removed.
  public static func removeIfStale(_ path: String) throws(MultiplexError) {
    do {
      try whileLocked(path) { () throws(MultiplexError) in try remove(path) }
    } catch let error where error.reason == .openFileLimit {
      // The lock's descriptor may be the one that was missing.
      try remove(path)
    }
  }

  /// Removes as ``removeIfStale(_:)`` does, but doesn't wait for others.
  ///
  /// - Returns: False if others have locked the directory, or it isn't known whether the file is stale. It may be worth
  ///   another try.
  package static func removeIfStaleWithoutWaiting(_ path: String) -> Bool {
    guard let directory = openDirectory(of: path) else { return (try? remove(path)) != nil }
    guard lock(directory, within: .zero) != .busy else { return false }
    let isDone = (try? remove(path)) != nil
    // Closing the directory releases the lock.
    withExtendedLifetime(directory) {}
    return isDone
  }

  /// Makes a socket listen at a path, replacing a stale socket file.
  ///
  /// - Parameter listen: Binds the socket to the path, and listens.
  static func replaceIfStale(
    _ path: String, by listen: () throws(MultiplexError) -> Void
  ) throws(MultiplexError) {
    try whileLocked(path) { () throws(MultiplexError) in
      try remove(path)
      try listen()
    }
  }

  private static func remove(_ path: String) throws(MultiplexError) {
    guard isSocket(path), try isStale(path) else { return }
    do {
      try Kernel.unlink(path)
    } catch .noSuchFileOrDirectory {
      // Somebody else has removed it.
    } catch {
      throw MultiplexError(call: "unlink", subject: path, errno: error)
    }
  }

  private static func isSocket(_ path: String) -> Bool {
    guard let mode = try? Kernel.fileMode(path) else { return false }
    return mode & mode_t(S_IFMT) == mode_t(S_IFSOCK)
  }

  /// Only a refusal proves that nobody listens; a full backlog or missing permissions don't.
  ///
  /// - Throws: Why the system couldn't tell.
  private static func isStale(_ path: String) throws(MultiplexError) -> Bool {
    do {
      _ = try Socket.connecting(to: .unix(path: path))
      return false
    } catch let error where error.reason == .openFileLimit || error.errno == .noMemory {
      throw error
    } catch {
      return error.errno == .connectionRefused
    }
  }

  /// How long to wait for others that hold the lock, which is a moment each.
  private static let lockTimeout = Duration.seconds(1)

  /// Keeps other processes that use this package from doing the same in the path's directory meanwhile. Between
  /// checking a stale socket file and removing it, another process could put a live socket there; and a socket that is
  /// bound but doesn't listen yet looks stale.
  ///
  /// If the directory can't be locked, because it isn't readable or remains locked for example, the body is called
  /// nonetheless.
  private static func whileLocked(
    _ path: String, _ body: () throws(MultiplexError) -> Void
  ) throws(MultiplexError) {
    guard let directory = openDirectory(of: path) else { return try body() }
    _ = lock(directory, within: lockTimeout)
    try body()
    // Closing the directory releases the lock.
    withExtendedLifetime(directory) {}
  }

  private static func openDirectory(of path: String) -> OwnedDescriptor? {
    // Abstract names, and the name that the kernel chooses for an empty path, have no file.
    guard let first = path.utf8.first, first != 0 else { return nil }
    let directory = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? "."
    guard let fd = try? Kernel.openDirectory(directory) else { return nil }
    return OwnedDescriptor(adopting: fd)
  }

  /// The result of an attempt to lock a directory.
  private enum Lock {
    case held
    /// Others hold it.
    case busy
    case impossible
  }

  /// - Parameters:
  ///   - directory: The open directory.
  ///   - limit: How long to wait for others; zero or less doesn't wait.
  private static func lock(_ directory: borrowing OwnedDescriptor, within limit: Duration) -> Lock {
    let deadline = Deadline(after: limit)
    repeat {
      do {
        try Kernel.lock(directory.fileDescriptor.rawValue)
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
