// splice(2) to a socket without SIGPIPE, like the other calls: splice has no flag to suppress it.
#include "CMultiplex.h"
#include <signal.h>
#include <time.h>

ssize_t cmx_splice_to_socket(int pipe, int socket, size_t count) {
    sigset_t broken_pipe, previous, pending;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &previous);
    // If SIGPIPE was blocked before, one may already be pending, and must stay pending.
    int is_pending = sigismember(&previous, SIGPIPE) && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
    ssize_t moved = cmx_splice(pipe, socket, count);
    int error = errno;
    // A splice consists of several sends, and the last one may have found the peer gone.
    if (moved < (ssize_t)count && !is_pending) {
        struct timespec now = {0, 0};
        while (sigtimedwait(&broken_pipe, 0, &now) < 0 && errno == EINTR) {}
    }
    pthread_sigmask(SIG_SETMASK, &previous, 0);
    errno = error;
    return moved;
}
