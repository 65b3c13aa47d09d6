package import SystemPackage

/// What error numbers mean to the caller, in one table.
extension MultiplexError {
  static func reason(of errno: Errno, from call: String) -> Reason {
    switch (call, errno) {
    case (_, .badFileDescriptor): .notOpen
    case (_, .tooManyOpenFiles), (_, .tooManyOpenFilesInSystem): .openFileLimit
    case ("epoll_ctl", .fileExists): .alreadyRegistered
    case ("epoll_ctl", .noSuchFileOrDirectory): .notRegistered
    case ("epoll_ctl", .notPermitted): .notPollable
    case (_, .invalidArgument): .invalidArgument
    default: .system
    }
  }

  package static func advice(on errno: Errno, from call: String) -> String? {
    switch (call, errno) {
    case ("read", .badFileDescriptor): "the descriptor isn't open for reading: is it the writing end?"
    case ("write", .badFileDescriptor): "the descriptor isn't open for writing: is it the reading end?"
    case (_, .badFileDescriptor): "the descriptor isn't open: it was closed too early, or was never open"
    case (_, .tooManyOpenFiles):
      "this process has reached its open-file limit: raise it (ulimit -n) or close some files"
    case (_, .tooManyOpenFilesInSystem):
      "the system has reached its open-file limit: raise fs.file-max or close some files"
    case ("epoll_ctl", .fileExists): "modify the registration, or unregister it first"
    case ("epoll_ctl", .noSuchFileOrDirectory): "register the descriptor first"
    case ("epoll_ctl", .notPermitted):
      "epoll can't wait for regular files and directories, always ready: use them at once, or with poll in level mode"
    case ("epoll_ctl", .noSpace): "the user has too many epoll registrations: raise fs.epoll.max_user_watches"
    case ("bind", .addressInUse): "the address is in use: stop what listens there, or choose another port or path"
    case ("bind", .permissionDenied): "ports below 1024, and directories you can't write to, need more privileges"
    case ("bind", .addressNotAvailable): "no network interface of this machine has the address"
    case ("bind", .noSuchFileOrDirectory): "the directory doesn't exist"
    case ("connect", .connectionRefused), ("recvfrom", .connectionRefused), ("sendto", .connectionRefused):
      "nothing listens there: is the server running?"
    case ("connect", .tryAgain):
      "a Unix listener's queue is full, or no local port is free: try again in a moment"
    case ("connect", .noSuchFileOrDirectory): "there is no such socket: is the server running?"
    case ("connect", .permissionDenied):
      "a Unix socket's file must be writable for you; a broadcast address needs .broadcast; a firewall may forbid it"
    case ("connect", .networkUnreachable), ("connect", .noRouteToHost): "check the address and the network"
    case ("sendto", .messageTooLong): "a datagram can have at most 65,507 bytes over IPv4, and 65,527 over IPv6"
    case ("sendto", .addressRequired): "pass an address, or connect the socket"
    case ("sendto", .permissionDenied):
      "sending to a broadcast address needs .broadcast; otherwise a firewall may forbid it"
    case ("io_uring_setup", .noFunction): "this kernel has no io_uring: use Linux 5.19 or later, or another backend"
    case ("io_uring_setup", .invalidArgument): "this kernel is too old: use Linux 5.19 or later, or another backend"
    case ("io_uring_setup", .notPermitted), ("io_uring_setup", .permissionDenied):
      "io_uring is forbidden here, by the setting kernel.io_uring_disabled or by a sandbox (seccomp): use epoll"
    case ("io_uring_setup", .noMemory), ("io_uring_register", .noMemory):
      "the limit on locked memory is too low for a ring: raise it (ulimit -l)"
    case ("mmap", .noMemory): "the limit on address space is too low: raise it (ulimit -v)"
    case ("io_uring_enter", .fileExists), ("io_uring_register", .fileExists):
      "the ring belongs to the thread that first submitted: use it there, or create the ring with isSingleIssuer: false"
    case ("pselect", .invalidArgument), ("ppoll", .invalidArgument), ("poll", .invalidArgument):
      "more descriptors than the process may have open"
    default: nil
    }
  }
}
