// Code that needs signals. In the header, Swift would import them as this module's.
#define _GNU_SOURCE // for pthread_sigqueue
#include "CTestSupport.h"

#include <pthread.h>
#include <signal.h>

int cts_signal_this_thread(int signal, int value) {
    return pthread_sigqueue(pthread_self(), signal, (union sigval){.sival_int = value});
}

pid_t cts_call_in_child(int start, void (*body)(void *), void *context) {
    pid_t child = fork();
    if (child != 0) return child;
    char byte;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    alarm(20);
    if (read(start, &byte, 1) != 1) _exit(1);
    body(context);
    _exit(0);
}
