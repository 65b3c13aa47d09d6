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

  /// Whether something succeeds while no child is being created: in one of a few attempts, as the testing library
  /// creates children of its own, for exit tests.
  public static func succeedsWithout(_ body: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<5 {
      pause()
      defer { resume() }
      if try body() { return true }
    }
    return false
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
