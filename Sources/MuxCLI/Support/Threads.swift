import Dispatch
import Multiplex
import MultiplexAsync

/// The threads that the process may start.
enum Threads {
  /// Checks that `count` more threads can be started, by starting them. Swift's runtime waits forever for a thread that it
  /// can't start.
  ///
  /// - Throws: A failure that says what to do if they can't.
  static func require(_ count: Int) throws(Failure) {
    let isOver = DispatchSemaphore(value: 0)
    defer { for _ in 0..<count { isOver.signal() } }
    for number in 0..<count {
      do throws(MultiplexError) {
        try DetachedThread.start(named: "probe") { isOver.wait() }
      } catch {
        throw Failure(
          """
          not enough threads: \(count) are needed, \(number) can be started (\(error.errno)); raise the limit (ulimit -u), or \
          free memory
          """, .systemError)
      }
    }
  }
}
