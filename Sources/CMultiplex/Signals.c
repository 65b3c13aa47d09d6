// The signal handler of SignalCatcher, and the slots through which it reports signals.
#include "CMultiplex.h"
#include <stdatomic.h>

static struct {
    _Atomic(uint64_t) wanted;
    _Atomic(uint64_t) pending;
    atomic_int eventfd;
} slots[cmx_SIGNAL_SLOTS];

static _Thread_local uint32_t holds[64];

uint32_t *cmx_signal_holds(int signal) { return &holds[signal - 1]; }

static void handle(int signal) {
    int saved = errno;
    uint64_t bit = (uint64_t)1 << (signal - 1);
    uint64_t one = 1;
    for (int i = 0; i < cmx_SIGNAL_SLOTS; i++) {
        if (!(atomic_load(&slots[i].wanted) & bit)) continue;
        atomic_fetch_or(&slots[i].pending, bit);
        // Fails only if nobody has read it for 2^64 signals.
        if (write(atomic_load(&slots[i].eventfd), &one, sizeof one) < 0) continue;
    }
    errno = saved;
}

void cmx_signal_open(int slot, int eventfd, uint64_t wanted) {
    atomic_store(&slots[slot].eventfd, eventfd);
    atomic_store(&slots[slot].pending, 0);
    atomic_store(&slots[slot].wanted, wanted);
}

void cmx_signal_close(int slot) { atomic_store(&slots[slot].wanted, 0); }

uint64_t cmx_signal_take(int slot) { return atomic_exchange(&slots[slot].pending, 0); }

int cmx_signal_install(int signal, struct sigaction *previous) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    return sigaction(signal, &action, previous);
}
