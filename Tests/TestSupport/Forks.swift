internal import class Foundation.NSLock

/// Child processes that are being created.
///
/// Until it runs another program, a child has a copy of every descriptor of this process. What is closed meanwhile
/// isn't closed for the other end: a peer sees no end, a listener keeps listening, a closed descriptor stays in an
/// epoll set. Most tests wait for the end. Those that require it at once keep children from being created.
public enum Forks {
  private static let lock = NSLock()

  /// Creates a child, and returns when it no longer has copies.
  public static func make<Value>(_ body: () throws -> Value) rethrows -> Value {
    lock.lock()
    defer { lock.unlock() }
    return try body()
  }

  /// Keeps children from being created until the same thread calls ``resume()``.
  public static func pause() {
    lock.lock()
  }

  /// Allows children to be created again.
  public static func resume() {
    lock.unlock()
  }
}
