/*
 * The figure to beat: an echo server on io_uring, on one thread, with what the
 * kernel has for it. Accept and receive are multishot and use direct
 * descriptors; received bytes land in a ring of buffers that are shared by all
 * connections and consumed piece by piece, and are sent from there without a
 * copy; a send that succeeds at once needs no completion; a turn is one system
 * call. Needs Linux 6.12.
 *
 *     uring-echo         (127.0.0.1, at a port that the kernel chooses)
 */
#define _GNU_SOURCE
#include "listening.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the system's header may be too old for. */
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16) /* Linux 6.6 */
#endif
#ifndef IORING_CQE_F_BUF_MORE
#define IORING_CQE_F_BUF_MORE (1U << 4) /* Linux 6.12: there is room left in the buffer */
#endif
enum { PBUF_RING_INCREMENTAL = 2 }; /* IOU_PBUF_RING_INC, Linux 6.12 */

struct buffer_ring_registration { /* io_uring_buf_reg, with the flags that it got in Linux 6.4 */
    uint64_t ring_address;
    uint32_t entries;
    uint16_t group;
    uint16_t flags;
    uint64_t reserved[3];
};

enum {
    SUBMISSIONS = 1024,
    COMPLETIONS = 8192,
    BUFFER_SIZE = 64 * 1024,
    BUFFERS = 4096,       /* at most; a power of two */
    BUFFERS_AT_A_TIME = 4, /* few: what is used again soon is still in the cache */
    HIGH_WATER = 256 * 1024,
    LOW_WATER = 64 * 1024,
};

/* A connection's received and unsent bytes: part of a buffer. */
struct slice {
    struct slice *next;
    uint32_t buffer, start, length;
};

struct connection {
    int file;            /* a direct descriptor */
    bool receiving;      /* a multishot receive is armed */
    bool cancelling;     /* ... and asked to end */
    bool sending;        /* the first slice is under way */
    bool is_slow;        /* the last send found no room for all */
    bool ended;          /* nothing more comes from the peer, or the connection is broken */
    bool ready, starved; /* is in one of the lists below */
    size_t owed;
    struct slice *first, *last;
    struct connection *next_ready, *next_starved, *next_unsettled;
};

/* ---- The ring ---- */

static struct {
    int fd; /* registered: an index */
    unsigned pending, sq_next;
    _Atomic unsigned *sq_tail, *sq_flags, *cq_head, *cq_tail;
    unsigned sq_mask, cq_mask;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
} ring;

static void *map(int fd, size_t length, off_t offset) {
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd, offset);
    if (memory == MAP_FAILED) die("mmap");
    return memory;
}

static void ring_register(int fd, unsigned operation, void *argument, unsigned count, const char *what) {
    if (syscall(__NR_io_uring_register, fd, operation, argument, count) < 0) die(what);
}

static void open_ring(void) {
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_NO_SQARRAY,
        .cq_entries = COMPLETIONS,
    };
    int fd = (int)syscall(__NR_io_uring_setup, SUBMISSIONS, &params);
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
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    struct io_uring_rsrc_register files = {.nr = (uint32_t)limit.rlim_cur, .flags = IORING_RSRC_REGISTER_SPARSE};
    ring_register(fd, IORING_REGISTER_FILES2, &files, sizeof files, "registering direct descriptors");
    ring.fd = (int)self.offset;
}

/* Hands over what is prepared, and waits for so many completions. */
static void enter(unsigned wanted) {
    atomic_store_explicit(ring.sq_tail, ring.sq_next, memory_order_release);
    unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING;
    long taken = syscall(__NR_io_uring_enter, ring.fd, ring.pending, wanted, flags, NULL, 0);
    if (taken >= 0) ring.pending -= (unsigned)taken;
    else if (errno != EINTR && errno != EAGAIN && errno != EBUSY) die("io_uring_enter");
}

/* What a completion is about: a connection's address has room for it in its lowest bits. */
enum { ACCEPT, RECEIVE, SEND, NOTHING, KINDS = 4 };

static struct io_uring_sqe *prepare(unsigned operation, int file, struct connection *c, uint64_t kind) {
    while (ring.pending > ring.sq_mask) enter(0);
    struct io_uring_sqe *sqe = &ring.sqes[ring.sq_next++ & ring.sq_mask];
    ring.pending++;
    *sqe = (struct io_uring_sqe){.opcode = (uint8_t)operation,
                                 .flags = c ? IOSQE_FIXED_FILE : 0,
                                 .fd = file,
                                 .user_data = (uint64_t)(uintptr_t)c | kind};
    return sqe;
}

/* ---- Buffers ---- */

/*
 * The kernel fills the buffers in the order of the ring, each from its start
 * to its end. One goes back when it was filled and all of it has been sent.
 */
static struct {
    char *memory;
    uint32_t filled, unsent_slices;
    bool is_full;
} buffers[BUFFERS];

static struct io_uring_buf_ring *buffer_ring;
static unsigned buffer_count, buffers_in_ring;

static void open_buffers(void) {
    buffer_ring = map(-1, BUFFERS * sizeof(struct io_uring_buf), 0);
    struct buffer_ring_registration registration = {
        .ring_address = (uint64_t)(uintptr_t)buffer_ring, .entries = BUFFERS, .flags = PBUF_RING_INCREMENTAL};
    int fd = ring.fd;
    unsigned operation = IORING_REGISTER_PBUF_RING | 1U << 31; /* IORING_REGISTER_USE_REGISTERED_RING */
    ring_register(fd, operation, &registration, 1, "registering the buffer ring (needs Linux 6.12)");
}

static void provide(uint32_t id) {
    buffers[id].filled = 0;
    buffers[id].is_full = false;
    uint16_t tail = buffer_ring->tail;
    struct io_uring_buf *entry = &buffer_ring->bufs[tail & (BUFFERS - 1)];
    entry->addr = (uint64_t)(uintptr_t)buffers[id].memory;
    entry->len = BUFFER_SIZE;
    entry->bid = (uint16_t)id;
    atomic_store_explicit((_Atomic uint16_t *)&buffer_ring->tail, (uint16_t)(tail + 1), memory_order_release);
    buffers_in_ring++;
}

static bool provide_more(void) {
    if (buffer_count == BUFFERS) return false;
    char *memory = map(-1, BUFFERS_AT_A_TIME * BUFFER_SIZE, 0);
    for (int i = 0; i < BUFFERS_AT_A_TIME; i++) {
        buffers[buffer_count].memory = memory + i * BUFFER_SIZE;
        provide(buffer_count++);
    }
    return true;
}

static void provide_again_if_done(uint32_t id) {
    if (buffers[id].is_full && buffers[id].unsent_slices == 0) provide(id);
}

/* ---- Slices ---- */

static struct slice *spare_slices;

static struct slice *new_slice(void) {
    struct slice *slice = spare_slices;
    if (slice) spare_slices = slice->next;
    else if (!(slice = malloc(sizeof *slice))) die("malloc");
    return slice;
}

static void append(struct connection *c, uint32_t buffer, uint32_t start, uint32_t length) {
    c->owed += length;
    struct slice *last = c->last;
    bool is_under_way = c->sending && last == c->first;
    if (last && !is_under_way && last->buffer == buffer && last->start + last->length == start) {
        last->length += length;
        return;
    }
    struct slice *slice = new_slice();
    *slice = (struct slice){.buffer = buffer, .start = start, .length = length};
    if (last) last->next = slice;
    else c->first = slice;
    c->last = slice;
    buffers[buffer].unsent_slices++;
}

static void remove_first(struct connection *c) {
    struct slice *slice = c->first;
    c->first = slice->next;
    if (!c->first) c->last = NULL;
    c->owed -= slice->length;
    buffers[slice->buffer].unsent_slices--;
    provide_again_if_done(slice->buffer);
    slice->next = spare_slices;
    spare_slices = slice;
}

/* ---- Connections ---- */

static struct connection *ready, *starved, *unsettled;
static int listener;
static bool accepting;

static void arm_accept(void) {
    struct io_uring_sqe *sqe = prepare(IORING_OP_ACCEPT, listener, NULL, ACCEPT);
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    sqe->file_index = IORING_FILE_INDEX_ALLOC;
    accepting = true;
}

static void arm_receive(struct connection *c) {
    struct io_uring_sqe *sqe = prepare(IORING_OP_RECV, c->file, c, RECEIVE);
    sqe->flags |= IOSQE_BUFFER_SELECT; /* of group 0 */
    sqe->ioprio = IORING_RECV_MULTISHOT;
    c->receiving = true;
}

static void stop_receiving(struct connection *c) {
    if (!c->receiving || c->cancelling) return;
    struct io_uring_sqe *sqe = prepare(IORING_OP_ASYNC_CANCEL, -1, NULL, NOTHING);
    sqe->addr = (uint64_t)(uintptr_t)c | RECEIVE;
    c->cancelling = true;
}

/*
 * A send is tried while it is submitted. In the usual case that is all: it
 * doesn't wait, and posts a completion only if it fails. So if there is none
 * when the submission has returned, all was sent (see settle). Where something
 * else is to follow the send, its completion has to wake us.
 */
static void send_first(struct connection *c) {
    struct io_uring_sqe *sqe = prepare(IORING_OP_SEND, c->file, c, SEND);
    sqe->addr = (uint64_t)(uintptr_t)(buffers[c->first->buffer].memory + c->first->start);
    sqe->len = c->first->length;
    sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL; /* a short one has failed, or is continued by the kernel */
    c->sending = true;
    bool nothing_follows = c->receiving && !c->cancelling && c->first == c->last && !starved;
    if (!nothing_follows || c->is_slow) return;
    sqe->msg_flags |= MSG_DONTWAIT;
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    c->next_unsettled = unsettled;
    unsettled = c;
}

static void close_connection(struct connection *c) {
    struct io_uring_sqe *sqe = prepare(IORING_OP_CLOSE, 0, NULL, NOTHING);
    sqe->file_index = (uint32_t)c->file + 1;
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    free(c);
    if (!accepting) arm_accept(); /* it ended when there was no descriptor left */
}

/* Does what has to be done next, after all that a turn brought is known. */
static void go_on(struct connection *c) {
    if (!c->sending && c->first) send_first(c);
    if (c->ended) {
        stop_receiving(c);
        if (!c->sending && !c->receiving && !c->starved) close_connection(c);
    } else if (c->owed > HIGH_WATER) {
        stop_receiving(c);
    } else if (c->owed <= LOW_WATER && !c->receiving && !c->starved) {
        arm_receive(c);
    }
}

static void mark_ready(struct connection *c) {
    if (c->ready) return;
    c->ready = true;
    c->next_ready = ready;
    ready = c;
}

static void mark_starved(struct connection *c) {
    c->starved = true;
    c->next_starved = starved;
    starved = c;
}

/* ---- Completions ---- */

static void accepted(const struct io_uring_cqe *cqe) {
    if (!(cqe->flags & IORING_CQE_F_MORE)) accepting = false;
    if (cqe->res < 0) {
        if (cqe->res != -ENFILE && !accepting) arm_accept();
        return;
    }
    struct connection *c = calloc(1, sizeof *c);
    if (!c) die("calloc");
    c->file = cqe->res;
    mark_ready(c);
    if (!accepting) arm_accept();
}

static void take_buffer(struct connection *c, const struct io_uring_cqe *cqe) {
    uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    uint32_t length = cqe->res > 0 ? (uint32_t)cqe->res : 0;
    if (length > 0 && !c->ended) append(c, id, buffers[id].filled, length);
    buffers[id].filled += length;
    if (cqe->flags & IORING_CQE_F_BUF_MORE) return;
    buffers[id].is_full = true;
    buffers_in_ring--;
    provide_again_if_done(id);
}

static void received(struct connection *c, const struct io_uring_cqe *cqe) {
    if (cqe->flags & IORING_CQE_F_BUFFER) take_buffer(c, cqe);
    if (!(cqe->flags & IORING_CQE_F_MORE)) c->receiving = c->cancelling = false;
    if (cqe->res == -ENOBUFS) mark_starved(c);
    else if (cqe->res == 0 || (cqe->res < 0 && cqe->res != -ECANCELED)) c->ended = true;
    mark_ready(c);
}

static void sent(struct connection *c, const struct io_uring_cqe *cqe) {
    c->sending = false;
    uint32_t length = cqe->res > 0 ? (uint32_t)cqe->res : 0;
    if (cqe->res < 0 && cqe->res != -EAGAIN) {
        c->ended = true;
        while (c->first) remove_first(c);
    } else if (length < c->first->length) {
        c->first->start += length;
        c->first->length -= length;
        c->owed -= length;
        c->is_slow = true;
    } else {
        remove_first(c);
        c->is_slow = false;
    }
    mark_ready(c);
}

/* All that was submitted has been tried, and no failure waits for room among the completions. */
static bool failures_are_known(void) {
    unsigned flags = atomic_load_explicit(ring.sq_flags, memory_order_relaxed);
    return ring.pending == 0 && !(flags & IORING_SQ_CQ_OVERFLOW);
}

/* The sends that have not failed by then are done. */
static void settle(void) {
    for (; unsettled; unsettled = unsettled->next_unsettled) {
        if (!unsettled->sending) continue;
        unsettled->sending = false;
        remove_first(unsettled);
        if (unsettled->first) mark_ready(unsettled);
    }
}

static void handle(const struct io_uring_cqe *cqe) {
    struct connection *c = (struct connection *)(uintptr_t)(cqe->user_data & ~(uint64_t)(KINDS - 1));
    switch (cqe->user_data % KINDS) {
    case ACCEPT: accepted(cqe); break;
    case RECEIVE: received(c, cqe); break;
    case SEND: sent(c, cqe); break;
    }
}

static void handle_completions(void) {
    unsigned head = atomic_load_explicit(ring.cq_head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(ring.cq_tail, memory_order_acquire);
    for (; head != tail; head++) handle(&ring.cqes[head & ring.cq_mask]);
    atomic_store_explicit(ring.cq_head, head, memory_order_release);
}

/* Those that found no buffer try again once there are some. */
static void feed_starved(void) {
    if (!starved || (buffers_in_ring == 0 && !provide_more())) return;
    while (starved) {
        struct connection *c = starved;
        starved = c->next_starved;
        c->starved = false;
        mark_ready(c);
    }
}

static void go_on_with_ready(void) {
    while (ready) {
        struct connection *c = ready;
        ready = c->next_ready;
        c->ready = false;
        go_on(c);
    }
}

int main(void) {
    listener = open_listener(0); /* blocking: else io_uring would not wait for it */
    open_ring();
    open_buffers();
    provide_more();
    arm_accept();
    announce(listener);
    for (;;) {
        enter(1);
        handle_completions();
        while (!failures_are_known()) {
            enter(0);
            handle_completions();
        }
        settle();
        feed_starved();
        go_on_with_ready();
    }
}
