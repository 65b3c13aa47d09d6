// Calls that have no flag to suppress SIGPIPE, without it, like all the others.
#include "CMultiplex.h"
#include <signal.h>
#include <time.h>

struct hold {
    sigset_t previous;
    int is_pending;
};

static void hold_broken_pipe(struct hold *hold) {
    sigset_t broken_pipe, pending;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &hold->previous);
    // If SIGPIPE was blocked before, one may already be pending, and must stay pending.
    hold->is_pending =
        sigismember(&hold->previous, SIGPIPE) && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
}

// Keeps errno.
static void release_broken_pipe(struct hold *hold, int may_be_raised) {
    int error = errno;
    if (may_be_raised && !hold->is_pending) {
        sigset_t broken_pipe;
        struct timespec now = {0, 0};
        sigemptyset(&broken_pipe);
        sigaddset(&broken_pipe, SIGPIPE);
        while (sigtimedwait(&broken_pipe, 0, &now) < 0 && errno == EINTR) {}
    }
    pthread_sigmask(SIG_SETMASK, &hold->previous, 0);
    errno = error;
}

ssize_t cmx_splice_to_socket(int pipe, int socket, size_t count) {
    struct hold hold;
    hold_broken_pipe(&hold);
    ssize_t moved = cmx_splice(pipe, socket, count);
    // A splice consists of several sends, and the last one may have found the peer gone.
    release_broken_pipe(&hold, moved < (ssize_t)count);
    return moved;
}

ssize_t cmx_write_quietly(int fd, const void *bytes, size_t count) {
    struct hold hold;
    hold_broken_pipe(&hold);
    ssize_t written = write(fd, bytes, count);
    // Of several buffers, the last one may have found no reader.
    release_broken_pipe(&hold, written < (ssize_t)count);
    return written;
}
