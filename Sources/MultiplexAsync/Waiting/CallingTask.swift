internal import CMultiplex

/// The running task, for a later comparison. It isn't kept alive: once it has ended, another one may compare equal.
@safe
struct CallingTask: Equatable, @unchecked Sendable {
  private let address: UnsafeRawPointer

  /// Nil outside of tasks.
  static var current: CallingTask? {
    // The address is only compared, and not dereferenced once the task may have ended.
    unsafe cmx_current_task().map { unsafe CallingTask(address: $0) }
  }

  /// Whether the running task was cancelled. False outside of tasks.
  static var isCurrentCancelled: Bool { current?.isCancelled ?? false }

  /// Whether it was cancelled. Only the task itself may ask, or others while it is suspended.
  var isCancelled: Bool { unsafe cmx_is_task_cancelled(address) }

  static func == (left: Self, right: Self) -> Bool { unsafe left.address == right.address }
}

extension CallingTask {
  /// The task that a job runs: a task is its own job.
  init(of job: UnownedJob) {
    // The address is only compared with that of the current task. An actor's job isn't a task: it may be freed while it
    // runs, and its address reused. That does no harm, as tasks in actors never ask.
    unsafe self.init(address: unsafeBitCast(job, to: UnsafeRawPointer.self))
  }
}
