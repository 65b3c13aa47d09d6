// splice(2) to a socket as the other calls are: without a SIGPIPE, which it has no flag to keep back.
#include "CMultiplex.h"
#include <signal.h>
#include <time.h>

ssize_t cmx_splice_to_socket(int pipe, int socket, size_t count) {
    sigset_t broken_pipe, previous, pending;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &previous);
    // One that somebody else keeps blocked may be pending, and is to stay so.
    int is_pending = sigismember(&previous, SIGPIPE) && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
    ssize_t moved = cmx_splice(pipe, socket, count);
    int error = errno;
    // It is made of several sends, the last of which may have met a peer that has gone.
    if (moved < (ssize_t)count && !is_pending) {
        struct timespec now = {0, 0};
        while (sigtimedwait(&broken_pipe, 0, &now) < 0 && errno == EINTR) {}
    }
    pthread_sigmask(SIG_SETMASK, &previous, 0);
    errno = error;
    return moved;
}
