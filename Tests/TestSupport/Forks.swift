internal import Dispatch

/// Child processes that are being created.
///
/// Until it runs another program, a child has a copy of every descriptor of this process. What is closed meanwhile
/// isn't closed for the other end: a peer sees no end, a listener keeps listening, a closed descriptor stays in an
/// epoll set. Most tests wait for the end. Those that require it at once keep children from being created.
public enum Forks {
  /// Not a lock: an exit test may continue on another thread.
  private static let turn = DispatchSemaphore(value: 1)

  /// Creates a child, and returns when it no longer has copies.
  public static func make<Value>(_ body: () throws -> Value) rethrows -> Value {
    turn.wait()
    defer { turn.signal() }
    return try body()
  }

  /// Runs an exit test, whose child the testing library creates.
  public static func runExitTest(_ test: () async -> Void) async {
    pause()
    await test()
    resume()
  }

  /// Keeps children from being created until ``resume()``.
  public static func pause() {
    turn.wait()
  }

  /// Allows children to be created again.
  public static func resume() {
    turn.signal()
  }
}
