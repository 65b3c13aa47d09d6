internal import CMultiplex

/// The task that is running, for a comparison later. It isn't kept alive: once it has ended, another may look the same.
@safe
struct CallingTask: Equatable, @unchecked Sendable {
  private let address: UnsafeRawPointer

  /// Nil outside of tasks.
  static var current: CallingTask? {
    // The address is compared, and not followed once the task may have ended.
    unsafe cmx_current_task().map { unsafe CallingTask(address: $0) }
  }

  /// Whether the task that is running was cancelled. False outside of tasks.
  static var isCurrentCancelled: Bool { current?.isCancelled ?? false }

  /// Whether it was cancelled. To be asked by the task itself, or for it while it is suspended.
  var isCancelled: Bool { unsafe cmx_is_task_cancelled(address) }

  static func == (left: Self, right: Self) -> Bool { unsafe left.address == right.address }
}

extension CallingTask {
  /// The task that a job runs: it is its own job.
  init(of job: UnownedJob) {
    // The address is only compared with that of the current task. An actor's job isn't a task: it may be freed while it runs,
    // and its address used again. That does no harm, as tasks in actors never ask.
    unsafe self.init(address: unsafeBitCast(job, to: UnsafeRawPointer.self))
  }
}
