// The C that Swift can't import by itself: macros, and functions that glibc declares for _GNU_SOURCE only. Each
// function makes one call, so that Swift's Kernel sees exactly what the kernel returned. Anything that takes more is in
// a file of its own: the signal handler in Signals.c, and what has no flag against SIGPIPE in BrokenPipes.c.
#ifndef CMULTIPLEX_H
#define CMULTIPLEX_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "CMultiplexRing.h"
#include "CMultiplexTask.h"

// Constants that the C library's headers define as macros that Swift can't import, or that older headers lack.
static const int32_t cmx_SOCK_STREAM = SOCK_STREAM;
static const int32_t cmx_SOCK_DGRAM = SOCK_DGRAM;
static const int32_t cmx_SOCK_NONBLOCK = SOCK_NONBLOCK;
static const int32_t cmx_SOCK_CLOEXEC = SOCK_CLOEXEC;
static const int32_t cmx_MSG_NOSIGNAL = MSG_NOSIGNAL;
static const int32_t cmx_MSG_CTRUNC = MSG_CTRUNC;
static const int32_t cmx_MSG_OOB = MSG_OOB;
static const int32_t cmx_MSG_WAITALL = MSG_WAITALL;
static const int32_t cmx_MSG_DONTWAIT = MSG_DONTWAIT;
static const int32_t cmx_MSG_PEEK = MSG_PEEK;
static const int32_t cmx_TCP_INQ = TCP_INQ;
static const int32_t cmx_POLLRDHUP = 0x2000; // for _GNU_SOURCE only; the same on every architecture except SPARC
static const int32_t cmx_F_DUPFD_CLOEXEC = F_DUPFD_CLOEXEC;
static const int32_t cmx_F_SETPIPE_SZ = 1031; // for _GNU_SOURCE only; the same on every architecture
static const int32_t cmx_EPOLL_CLOEXEC = EPOLL_CLOEXEC;
static const int32_t cmx_O_CLOEXEC = O_CLOEXEC;
static const int32_t cmx_DIRECTORY_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
static const int32_t cmx_EFD_FLAGS = EFD_CLOEXEC | EFD_NONBLOCK;
static const int32_t cmx_SFD_FLAGS = SFD_CLOEXEC | SFD_NONBLOCK;
static const int32_t cmx_TFD_FLAGS = TFD_CLOEXEC | TFD_NONBLOCK;
static const int32_t cmx_PIPE_FLAGS = O_CLOEXEC | O_NONBLOCK;

// Declared for _GNU_SOURCE only, which the Glibc module isn't built with.
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int dup3(int, int, int);
extern int pipe2(int[2], int);
extern ssize_t splice(int, off_t *, int, off_t *, size_t, unsigned);
extern int ppoll(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);

static inline int cmx_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    return accept4(fd, address, length, flags);
}

// Between a socket and a pipe, which have no offsets. Both flags are for _GNU_SOURCE only.
static inline ssize_t cmx_splice(int from, int to, size_t count) {
    enum { MOVE = 1, NONBLOCK = 2 };
    return splice(from, 0, to, 0, count, MOVE | NONBLOCK);
}

// Fails with EPIPE if the peer has gone, and never raises SIGPIPE.
ssize_t cmx_splice_to_socket(int pipe, int socket, size_t count);

// Writes without SIGPIPE.
ssize_t cmx_write_quietly(int fd, const void *bytes, size_t count);

// Variadic in C: Swift can't call those.
static inline int cmx_fcntl(int fd, int command, int argument) { return fcntl(fd, command, argument); }
static inline int cmx_open(const char *path, int flags) { return open(path, flags); }

// glibc's type of the resource depends on _GNU_SOURCE: an enumeration with it, an int otherwise.
static inline int cmx_getrlimit_nofile(struct rlimit *limit) { return getrlimit(RLIMIT_NOFILE, limit); }
static inline int cmx_setrlimit_nofile(const struct rlimit *limit) { return setrlimit(RLIMIT_NOFILE, limit); }

// SIOCOUTQ under its other name, which needs no kernel header.
static inline int cmx_send_queue_length(int fd, int *bytes) { return ioctl(fd, TIOCOUTQ, bytes); }
static inline int cmx_unread_count(int fd, int *bytes) { return ioctl(fd, FIONREAD, bytes); }

// Makes close discard undelivered data, and send a reset instead of the end of the stream.
static inline int cmx_reset_on_close(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static inline int cmx_dup3(int fd, int target, int flags) { return dup3(fd, target, flags); }

// In Swift, the name refers to the structure of the same name.
static inline int cmx_flock(int fd, int operation) { return flock(fd, operation); }

static inline int cmx_pipe2(int ends[2], int flags) { return pipe2(ends, flags); }

static inline int cmx_ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout) {
    return ppoll(entries, count, timeout, 0);
}

// Identifies the calling thread among the running ones. In C because it is called for each message, and a call from one
// Swift module to another would not be inlined. A pthread_t is a number in glibc, and an address in musl.
static inline uintptr_t cmx_current_thread(void) { return (uintptr_t)pthread_self(); }

// The name of the calling thread, of which the kernel keeps 15 bytes. The C library's function takes a GNU extension.
static inline void cmx_name_current_thread(const char *name) { prctl(PR_SET_NAME, name); }

// A forked child has a different one.
static inline int32_t cmx_current_process(void) { return getpid(); }

// For a signal, how many of the calling thread's values want it blocked: see BlockedSignals. Thread-local in C, so that
// it ends with the thread, whose identifier the next thread may get.
uint32_t *cmx_signal_holds(int signal);

// A signal handler must be in C: it must not allocate, lock, or call into the Swift runtime.
//
// Each receiver has a slot: the signals it wants, those that have arrived (bit n-1 for signal n), and an eventfd that
// the handler writes to. A slot's eventfd stays open for good: a handler on another thread may be about to write to it.
enum { cmx_SIGNAL_SLOTS = 64 };
void cmx_signal_open(int slot, int eventfd, uint64_t wanted);
void cmx_signal_close(int slot);
uint64_t cmx_signal_take(int slot);
int cmx_signal_install(int signal, struct sigaction *previous);
static inline int cmx_signal_restore(int signal, const struct sigaction *previous) {
    return sigaction(signal, previous, 0);
}

// Through syscall(2), which returns how many bytes it has written; glibc's function doesn't.
static inline long cmx_sched_getaffinity(void *mask, size_t size) {
    return syscall(SYS_sched_getaffinity, 0, size, mask);
}

// The three bitmaps have as many bits as the caller needs; an fd_set covers only the first 1024.
static inline int cmx_pselect(int count, unsigned long *reading, unsigned long *writing, unsigned long *exceptional,
                              const struct timespec *timeout) {
    return pselect(count, (fd_set *)reading, (fd_set *)writing, (fd_set *)exceptional, timeout, 0);
}

// Through syscall(2): the C library's functions are cancellation points, which costs four atomic operations per call as
// soon as a process has several threads. Nothing cancels threads here.
static inline ssize_t cmx_recv(int fd, void *buffer, size_t size, int flags) {
    return syscall(SYS_recvfrom, fd, buffer, size, flags, (void *)0, (void *)0);
}
static inline ssize_t cmx_send(int fd, const void *bytes, size_t size, int flags) {
    return syscall(SYS_sendto, fd, bytes, size, flags, (void *)0, (socklen_t)0);
}
// Tells how many bytes are left, if the socket reports that (TCP_INQ); otherwise -1.
static inline ssize_t cmx_recv_counting(int fd, void *buffer, size_t size, int flags, int *left) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec piece = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t count = syscall(SYS_recvmsg, fd, &message, flags);
    const struct cmsghdr *report = count < 0 ? NULL : CMSG_FIRSTHDR(&message);
    if (report != NULL && report->cmsg_level == IPPROTO_TCP && report->cmsg_type == TCP_CM_INQ)
        memcpy(left, CMSG_DATA(report), sizeof(*left));
    else
        *left = -1;
    return count;
}
static inline int cmx_epoll_wait(int fd, struct epoll_event *events, int count, int milliseconds) {
    return (int)syscall(SYS_epoll_pwait, fd, events, count, milliseconds, (void *)0, (size_t)0);
}

// Through syscall(2) because glibc before 2.35 has no epoll_pwait2; 441 is its number on every architecture.
static inline int cmx_epoll_pwait2(int fd, struct epoll_event *events, int count, const struct timespec *timeout) {
    return (int)syscall(441, fd, events, count, timeout, (void *)0, (size_t)0);
}

#endif
