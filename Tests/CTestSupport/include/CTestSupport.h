// The C that tests need and Swift can't call: fork, which Swift forbids, as the child of a process with several threads
// may only use async-signal-safe functions. These children use nothing else, except for the functions passed to them.
#ifndef CTESTSUPPORT_H
#define CTESTSUPPORT_H

#include <errno.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/// Waits for a child to end. Returns its exit status, or -1.
static inline int cts_reap(pid_t child) {
    int status = 0;
    pid_t ended;
    if (child < 0) return -1;
    do ended = waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR);
    return ended == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Makes a child remove a descriptor from an epoll instance that it has inherited. Returns the errno it met, 0 for
/// none.
static inline int cts_remove_in_child(int epoll, int fd) {
    pid_t child = fork();
    if (child == 0) _exit(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, 0) == 0 ? 0 : errno);
    return cts_reap(child);
}

/// Starts a child that calls a function and exits with 0, once a descriptor is readable. It is killed after 20 seconds,
/// as the function may need a lock that another thread has held.
pid_t cts_call_in_child(int start, void (*body)(void *), void *context);

/// Sends a signal with a value to the calling thread. Returns 0, or an error number.
int cts_signal_this_thread(int signal, int value);

/// Makes a child close its copy of every descriptor and exit. Returns 0.
static inline int cts_close_all_in_child(int limit) {
    pid_t child = fork();
    if (child == 0) {
        for (int fd = 3; fd < limit; fd++) close(fd);
        _exit(0);
    }
    return cts_reap(child);
}

#endif
