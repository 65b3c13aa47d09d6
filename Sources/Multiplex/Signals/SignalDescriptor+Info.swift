internal import CMultiplex

extension SignalDescriptor {
  /// A signal that has arrived, with what the kernel knows about it.
  ///
  /// Corresponding C type: `struct signalfd_siginfo`.
  public struct Info: Hashable, Sendable {
    /// The signal's number, such as `SIGTERM`.
    public let signal: Int32
    /// Why it was sent: `SI_USER` by `kill`, `SI_QUEUE` by `sigqueue`, `CLD_EXITED` for a child that has exited, and so
    /// on. What else has a meaning depends on this: see sigaction(2).
    public let code: Int32
    /// The process that sent it; the child, for `SIGCHLD`. 0 if the kernel sent it, or a process in another namespace.
    public let processID: Int32
    /// The user of that process.
    public let userID: UInt32
    /// The child's exit status, or the signal that ended it, for `SIGCHLD`.
    public let status: Int32
    /// The integer that was sent along by `sigqueue`.
    public let value: Int32

    init(_ record: signalfd_siginfo) {
      signal = Int32(bitPattern: record.ssi_signo)
      code = record.ssi_code
      processID = Int32(bitPattern: record.ssi_pid)
      userID = record.ssi_uid
      status = record.ssi_status
      value = record.ssi_int
    }
  }

  /// Takes the next signal that has arrived, with who sent it, and what came along; nil if there is none.
  ///
  ///     while let info = try signals.nextInfo() {
  ///       print("signal \(info.signal) from process \(info.processID)")
  ///     }
  ///
  /// - Throws: The kernel's error, if any.
  public func nextInfo() throws(MultiplexError) -> Info? {
    try takeRecord().map(Info.init)
  }
}
