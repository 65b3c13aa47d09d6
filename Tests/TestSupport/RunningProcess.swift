internal import Glibc
internal import Synchronization

/// A process that this one has started. When the last reference is gone it is killed.
public final class RunningProcess: Sendable {
  /// The process ID, valid until ``exitStatus`` is known.
  public let processID: Int32
  /// How the process ended, once known. From then on the number may be another process's.
  private let status = Mutex<ExitStatus?>(nil)

  init(_ processID: Int32) {
    self.processID = processID
  }

  deinit {
    signal(SIGKILL)
    // A killed process ends at once, unless the kernel itself is stuck.
    _ = eventually(within: .seconds(10)) { exitStatus != nil }
  }

  /// Sends it a signal, unless it has ended.
  public func signal(_ number: Int32) {
    status.withLock { status in
      // Until it has been waited for, no other process has its number.
      guard status == nil else { return }
      kill(processID, number)
    }
  }

  /// How it has ended; nil while it is running.
  public var exitStatus: ExitStatus? {
    status.withLock { status in
      var waitStatus: Int32 = 0
      if status == nil, unsafe waitpid(processID, &waitStatus, WNOHANG) == processID {
        status = ExitStatus(waitStatus: waitStatus)
      }
      return status
    }
  }
}
