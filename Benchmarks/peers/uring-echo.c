/*
 * The figure to beat: an echo server on io_uring, on one thread, with the
 * features that the kernel has for it. Accept and receive are multishot and use
 * direct descriptors; received bytes land in a ring of buffers that all
 * connections share and that is consumed incrementally, and are sent from there
 * without a copy; a send that succeeds at once needs no completion; a turn is
 * one system call. Needs Linux 6.12.
 *
 *     uring-echo         (127.0.0.1, on a port that the kernel chooses)
 */
#define _GNU_SOURCE
#include "ring.h"

#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

/* Missing in older system headers. */
#ifndef IORING_CQE_F_BUF_MORE
#define IORING_CQE_F_BUF_MORE (1U << 4) /* Linux 6.12: the buffer has room left */
#endif
enum { PBUF_RING_INCREMENTAL = 2 }; /* IOU_PBUF_RING_INC, Linux 6.12 */

struct buffer_ring_registration { /* io_uring_buf_reg, with the flags added in Linux 6.4 */
    uint64_t ring_address;
    uint32_t entries;
    uint16_t group;
    uint16_t flags;
    uint64_t reserved[3];
};

enum {
    BUFFER_SIZE = 64 * 1024,
    BUFFERS = 4096,       /* at most; a power of two */
    BUFFERS_AT_A_TIME = 4, /* few: a buffer that is reused soon is still in the cache */
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
    bool cancelling;     /* ... and being cancelled */
    bool sending;        /* the first slice is being sent */
    bool is_slow;        /* the last send was short */
    bool ended;          /* the peer has finished, or the connection is broken */
    bool ready, starved; /* is in one of the lists below */
    size_t queued;       /* bytes */
    struct slice *first, *last;
    struct connection *next_ready, *next_starved, *next_unsettled;
};

/* What a completion is about, in the lowest bits of a connection's address. */
enum { ACCEPT, RECEIVE, SEND, NOTHING, KINDS = 4 };

static struct io_uring_sqe *prepare(unsigned operation, int file, struct connection *c, uint64_t kind) {
    struct io_uring_sqe *sqe = next_submission();
    *sqe = (struct io_uring_sqe){.opcode = (uint8_t)operation,
                                 .flags = c ? IOSQE_FIXED_FILE : 0,
                                 .fd = file,
                                 .user_data = (uint64_t)(uintptr_t)c | kind};
    return sqe;
}

static void open_files(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    struct io_uring_rsrc_register files = {.nr = (uint32_t)limit.rlim_cur, .flags = IORING_RSRC_REGISTER_SPARSE};
    ring_register(ring.fd, IORING_REGISTER_FILES2 | USE_REGISTERED_RING, &files, sizeof files,
                  "registering direct descriptors");
}

/* ---- Buffers ---- */

/*
 * The kernel fills the buffers in the order of the ring, each from its start
 * to its end. A buffer is recycled when it is full and all of it has been sent.
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
    ring_register(ring.fd, IORING_REGISTER_PBUF_RING | USE_REGISTERED_RING, &registration, 1,
                  "registering the buffer ring (needs Linux 6.12)");
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
    c->queued += length;
    struct slice *last = c->last;
    bool is_being_sent = c->sending && last == c->first;
    if (last && !is_being_sent && last->buffer == buffer && last->start + last->length == start) {
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
    c->queued -= slice->length;
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
 * A send is attempted while it is submitted. In the usual case, that is all: it
 * doesn't wait, and posts a completion only if it fails. If there is none when
 * the submission has returned, everything was sent (see settle). If something
 * else has to follow the send, its completion has to wake us.
 */
static void send_first(struct connection *c) {
    struct io_uring_sqe *sqe = prepare(IORING_OP_SEND, c->file, c, SEND);
    sqe->addr = (uint64_t)(uintptr_t)(buffers[c->first->buffer].memory + c->first->start);
    sqe->len = c->first->length;
    sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL; /* a short send is continued by the kernel, or has failed */
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
    if (!accepting) arm_accept(); /* it ended when no descriptor was left */
}

/* Takes the next steps, once all completions of a turn have been handled. */
static void go_on(struct connection *c) {
    if (!c->sending && c->first) send_first(c);
    if (c->ended) {
        stop_receiving(c);
        if (!c->sending && !c->receiving && !c->starved) close_connection(c);
    } else if (c->queued > HIGH_WATER) {
        stop_receiving(c);
    } else if (c->queued <= LOW_WATER && !c->receiving && !c->starved) {
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
        c->queued -= length;
        c->is_slow = true;
    } else {
        remove_first(c);
        c->is_slow = false;
    }
    mark_ready(c);
}

/* All submissions have been attempted, and no failure waits for room in the completion queue. */
static bool failures_are_known(void) {
    unsigned flags = atomic_load_explicit(ring.sq_flags, memory_order_relaxed);
    return ring.pending == 0 && !(flags & IORING_SQ_CQ_OVERFLOW);
}

/* Sends that have not failed by now are done. */
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

/* Connections that found no buffer try again once there are some. */
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
    listener = open_listener(0);
    open_ring();
    open_files();
    open_buffers();
    provide_more();
    arm_accept();
    announce(listener);
    for (;;) {
        enter(1);
        take_completions(handle);
        while (!failures_are_known()) {
            enter(0);
            take_completions(handle);
        }
        settle();
        feed_starved();
        go_on_with_ready();
    }
}
