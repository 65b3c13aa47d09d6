// splice(2) as the other calls are: without a SIGPIPE, which it has no flag to keep back.
#include "CMultiplex.h"
#include <signal.h>
#include <time.h>

ssize_t cmx_splice(int from, int to, size_t count) {
    enum { MOVE = 1, NONBLOCK = 2 }; // for _GNU_SOURCE only
    sigset_t broken_pipe, previous, pending;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &previous);
    // One that somebody else keeps blocked may be pending, and is to stay so.
    int is_pending = sigismember(&previous, SIGPIPE) && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
    ssize_t moved = splice(from, 0, to, 0, count, MOVE | NONBLOCK);
    int error = errno;
    if (moved < 0 && error == EPIPE && !is_pending) {
        struct timespec now = {0, 0};
        while (sigtimedwait(&broken_pipe, 0, &now) < 0 && errno == EINTR) {}
    }
    pthread_sigmask(SIG_SETMASK, &previous, 0);
    errno = error;
    return moved;
}
