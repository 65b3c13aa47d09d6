package import SystemPackage

/// What the kernel's error numbers mean for the caller, in one table.
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
    case ("read", .badFileDescriptor): "the descriptor isn't open for reading: is it the end to write to?"
    case ("write", .badFileDescriptor): "the descriptor isn't open for writing: is it the end to read from?"
    case (_, .badFileDescriptor): "the descriptor isn't open: it was closed too early, or never was open"
    case (_, .tooManyOpenFiles): "this process may open no more files: raise the limit (ulimit -n) or close some"
    case (_, .tooManyOpenFilesInSystem): "the system may open no more files: raise fs.file-max or close some"
    case ("epoll_ctl", .fileExists): "modify the registration, or remove it first"
    case ("epoll_ctl", .noSuchFileOrDirectory): "add the descriptor first"
    case ("epoll_ctl", .notPermitted):
      "epoll can't wait for regular files and directories, which are always ready: use them at once, or use poll"
    case ("epoll_ctl", .noSpace): "the user has too many epoll registrations: raise fs.epoll.max_user_watches"
    case ("bind", .addressInUse): "something is there already: stop what listens there, or choose another port or path"
    case ("bind", .permissionDenied): "ports below 1024 and the folders of others need more rights: choose another"
    case ("bind", .addressNotAvailable): "no network interface of this machine has the address"
    case ("bind", .noSuchFileOrDirectory): "the folder doesn't exist"
    case ("getsockopt", .notSocket): "it is a file of another kind: a reactor waits for it with readiness(of:for:)"
    case ("connect", .connectionRefused), ("recvfrom", .connectionRefused), ("sendto", .connectionRefused):
      "nothing listens there: is the server running?"
    case ("connect", .tryAgain):
      "a Unix listener's queue is full, or no local port is free: try again in a moment"
    case ("connect", .noSuchFileOrDirectory): "there is no such socket: is the server running?"
    case ("connect", .permissionDenied): "the socket's file isn't yours to write to: connect as its owner"
    case ("connect", .networkUnreachable), ("connect", .noRouteToHost): "check the address and the network"
    case ("sendto", .messageTooLong): "a datagram has at most 65,507 bytes over IPv4, and 65,527 over IPv6"
    case ("sendto", .addressRequired): "tell where to, or connect the socket"
    case ("sendto", .permissionDenied): "to send to all of a network, set .broadcast; or a firewall forbids it"
    case ("io_uring_setup", .noFunction): "this kernel has no io_uring: Linux 5.19 is needed, or another backend"
    case ("io_uring_setup", .invalidArgument): "this kernel is too old: Linux 5.19 is needed, or another backend"
    case ("io_uring_setup", .notPermitted), ("io_uring_setup", .permissionDenied):
      "io_uring is forbidden here, by the setting kernel.io_uring_disabled or by a sandbox (seccomp): use epoll"
    case ("io_uring_setup", .noMemory): "the limit of locked memory is too low for a ring: raise it (ulimit -l)"
    case ("io_uring_enter", .fileExists), ("io_uring_register", .fileExists):
      "the ring belongs to the thread that first submitted: use it there, or make it without a single issuer"
    case ("pselect", .invalidArgument), ("ppoll", .invalidArgument), ("poll", .invalidArgument):
      "more descriptors than the process may have open, or a negative timeout"
    default: nil
    }
  }
}
