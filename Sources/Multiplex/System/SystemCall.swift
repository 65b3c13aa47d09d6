/// The system calls of this package, by the name of the C function; and `io_uring_poll`, a poll request of a ring.
package enum SystemCall: String, CaseIterable, Sendable {
  case accept4, bind, close, connect, dup3, epoll_create1, epoll_ctl, epoll_wait, epoll_pwait2, eventfd, fcntl
  case flock, fstat, getpeername, getrlimit, getsockname, getsockopt
  case io_uring_enter, io_uring_poll, io_uring_register, io_uring_setup, ioctl, listen, lstat
  case mmap, open, pipe2, poll, ppoll, pselect, read, recv, recvfrom, recvmsg
  case sched_getaffinity, send, sendmsg, sendto, setrlimit, setsockopt, shutdown, sigaction, signalfd, sigtimedwait
  case socket, socketpair, splice, timerfd_create, timerfd_settime, unlink, write
}
