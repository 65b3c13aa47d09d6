/*
 * What the C programs on io_uring share: one ring for one thread, set up with
 * the flags that make it cheap. Needs Linux 6.1; from 6.6 on, it does without
 * the array of submission indices.
 */
#ifndef RING_H
#define RING_H

#include "listening.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Missing in older system headers. */
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16) /* Linux 6.6 */
#endif
enum { USE_REGISTERED_RING = 1U << 31 }; /* IORING_REGISTER_USE_REGISTERED_RING, Linux 6.3 */

enum { RING_SUBMISSIONS = 1024, RING_COMPLETIONS = 8192 };

static struct {
    int fd; /* registered: an index */
    unsigned pending, sq_next;
    _Atomic unsigned *sq_tail, *sq_flags, *cq_head, *cq_tail;
    unsigned sq_mask, cq_mask;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
} ring;

static inline void *map(int fd, size_t length, off_t offset) {
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd, offset);
    if (memory == MAP_FAILED) die("mmap");
    return memory;
}

/* With USE_REGISTERED_RING, fd is the index of the registered ring. */
static inline void ring_register(int fd, unsigned operation, void *argument, unsigned count, const char *what) {
    if (syscall(__NR_io_uring_register, fd, operation, argument, count) < 0) die(what);
}

static inline void open_ring(void) {
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_NO_SQARRAY,
        .cq_entries = RING_COMPLETIONS,
    };
    int fd = (int)syscall(__NR_io_uring_setup, RING_SUBMISSIONS, &params);
    if (fd < 0) die("io_uring_setup");
    char *rings = map(fd, params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_SQ_RING);
    ring.sqes = map(fd, params.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
    ring.sq_tail = (_Atomic unsigned *)(rings + params.sq_off.tail);
    ring.sq_flags = (_Atomic unsigned *)(rings + params.sq_off.flags);
    ring.cq_head = (_Atomic unsigned *)(rings + params.cq_off.head);
    ring.cq_tail = (_Atomic unsigned *)(rings + params.cq_off.tail);
    ring.cqes = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
    ring.sq_mask = params.sq_entries - 1;
    ring.cq_mask = params.cq_entries - 1;

    struct io_uring_rsrc_update self = {.offset = -1U, .data = (uint64_t)fd};
    ring_register(fd, IORING_REGISTER_RING_FDS, &self, 1, "registering the ring");
    ring.fd = (int)self.offset;
}

/* Submits what is prepared, and waits for this many completions. */
static inline void enter(unsigned wanted) {
    atomic_store_explicit(ring.sq_tail, ring.sq_next, memory_order_release);
    unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING;
    long taken = syscall(__NR_io_uring_enter, ring.fd, ring.pending, wanted, flags, NULL, 0);
    if (taken >= 0) ring.pending -= (unsigned)taken;
    else if (errno != EINTR && errno != EAGAIN && errno != EBUSY) die("io_uring_enter");
}

/* Returns the next submission, zeroed, for the caller to fill in. */
static inline struct io_uring_sqe *next_submission(void) {
    while (ring.pending > ring.sq_mask) enter(0);
    struct io_uring_sqe *sqe = &ring.sqes[ring.sq_next++ & ring.sq_mask];
    ring.pending++;
    *sqe = (struct io_uring_sqe){0};
    return sqe;
}

/* Handles the available completions. */
static inline void take_completions(void (*handle)(const struct io_uring_cqe *)) {
    unsigned head = atomic_load_explicit(ring.cq_head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(ring.cq_tail, memory_order_acquire);
    for (; head != tail; head++) handle(&ring.cqes[head & ring.cq_mask]);
    atomic_store_explicit(ring.cq_head, head, memory_order_release);
}

#endif
