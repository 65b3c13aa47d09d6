internal import class Foundation.NSLock

/// Children that are being made.
///
/// Until it is another program, a child has a copy of every descriptor of this process. What is closed meanwhile isn't closed
/// for the other end: a peer sees no end, a listener goes on listening, a closed descriptor stays in an epoll set. Most tests
/// wait until the end has come. Those that are about an end that comes at once keep children from being made.
public enum Forks {
  private static let lock = NSLock()

  /// Makes a child, and returns when it has no copy any more.
  public static func make<Value>(_ body: () throws -> Value) rethrows -> Value {
    lock.lock()
    defer { lock.unlock() }
    return try body()
  }

  /// No child is being made from now on, until ``resume()`` is called by the same thread.
  public static func pause() {
    lock.lock()
  }

  /// Children may be made again.
  public static func resume() {
    lock.unlock()
  }
}
