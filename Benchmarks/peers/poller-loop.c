/*
 * The baseline of the poller benchmark: the minimum that it takes with select,
 * poll, epoll and io_uring to find out which of many descriptors are ready.
 *
 *     poller-loop chain|idle epoll|poll|select|io_uring PAIRS ACTIVE TIMES
 *
 * chain: the work of libevent's bench. A byte is written to ACTIVE of PAIRS
 *        socket pairs, spread evenly. Each byte that can be read is read, and
 *        one is written to the next pair, until 1000 have been written; the
 *        chain ends when all are read. This is repeated TIMES times.
 * idle:  the bytes in ACTIVE pairs stay unread: each of TIMES waits reports the
 *        same pairs, and nothing is done with them.
 *
 * Adds up the numbers of the pairs that were ready, and prints one line: the
 * nanoseconds of processor time per event, and the sum.
 */
#define _GNU_SOURCE
#include "ring.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <time.h>

enum { LARGEST = 100000, CHAIN = 1000 };

static int count, active, times;
static int readers[LARGEST], writers[LARGEST];
static int pair_of[LARGEST * 3]; /* by descriptor */
static int is_chain, writes_left;
static uint64_t sum, events_seen;

static void open_pairs(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < count; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) die("socketpair");
        readers[i] = pair[0];
        writers[i] = pair[1];
        pair_of[pair[0]] = i;
    }
}

static void put(int i) {
    if (send(writers[i], "x", 1, 0) != 1) die("send");
}

static void start(void) {
    for (int i = 0; i < active; i++) put(i * (count / active));
}

static void count_event(int i) {
    sum += (uint64_t)i;
    events_seen++;
}

static void pass_on(int i) {
    if (!writes_left) return;
    writes_left--;
    put(i + 1 < count ? i + 1 : 0);
}

static void found(int i) {
    count_event(i);
    if (!is_chain) return;
    char byte;
    if (recv(readers[i], &byte, 1, 0) != 1) die("recv");
    pass_on(i);
}

static int epoll;
static struct epoll_event epoll_events[1024];

static void prepare_epoll(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) die("epoll_create1");
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = (uint64_t)i};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, readers[i], &event) < 0) die("epoll_ctl");
    }
}

static void turn_epoll(void) {
    int ready = epoll_wait(epoll, epoll_events, 1024, -1);
    if (ready < 0) die("epoll_wait");
    for (int i = 0; i < ready; i++) {
        if (epoll_events[i].events & EPOLLIN) found((int)epoll_events[i].data.u64);
    }
}

static struct pollfd entries[LARGEST];

static void prepare_poll(void) {
    for (int i = 0; i < count; i++) entries[i] = (struct pollfd){.fd = readers[i], .events = POLLIN | POLLRDHUP};
}

static void turn_poll(void) {
    int ready = poll(entries, (nfds_t)count, -1);
    if (ready < 0) die("poll");
    for (int i = 0; ready > 0; i++) {
        if (!entries[i].revents) continue;
        ready--;
        if (entries[i].revents & POLLIN) found(i);
    }
}

/* As long as needed: an fd_set has only 1024 bits. */
static unsigned long watched[LARGEST * 3 / 64 + 1], result[LARGEST * 3 / 64 + 1];
static int highest;

static void prepare_select(void) {
    for (int i = 0; i < count; i++) {
        watched[readers[i] / 64] |= 1UL << readers[i] % 64;
        if (readers[i] > highest) highest = readers[i];
    }
}

static void turn_select(void) {
    int words = highest / 64 + 1;
    memcpy(result, watched, (size_t)words * sizeof *result);
    if (select(highest + 1, (fd_set *)result, NULL, NULL, NULL) < 0) die("select");
    for (int word = 0; word < words; word++) {
        for (unsigned long bits = result[word]; bits; bits &= bits - 1) {
            found(pair_of[word * 64 + __builtin_ctzl(bits)]);
        }
    }
}

/*
 * A multishot poll completes when bytes arrive. One completion may stand for
 * several bytes, or arrive after its byte was read, so all available bytes are
 * read. For bytes that stay unread, the poll is submitted again each time.
 */
static void watch(int i) {
    struct io_uring_sqe *sqe = next_submission();
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = readers[i];
    sqe->poll32_events = POLLIN | POLLRDHUP;
    sqe->len = is_chain ? IORING_POLL_ADD_MULTI : 0;
    sqe->user_data = (uint64_t)i;
}

static void prepare_io_uring(void) {
    open_ring();
    for (int i = 0; i < count; i++) watch(i);
}

static void found_all(int i) {
    char bytes[64];
    ssize_t length = recv(readers[i], bytes, sizeof bytes, 0);
    if (length < 0 && errno != EAGAIN) die("recv");
    for (; length > 0; length--) {
        count_event(i);
        pass_on(i);
    }
}

static void handle(const struct io_uring_cqe *cqe) {
    int i = (int)cqe->user_data;
    if (cqe->res < 0) die("poll on io_uring");
    if (is_chain) found_all(i);
    else count_event(i);
    if (!(cqe->flags & IORING_CQE_F_MORE)) watch(i);
}

static void turn_io_uring(void) {
    enter(1);
    take_completions(handle);
}

static void repeat(int rounds, void (*turn)(void)) {
    if (!is_chain) {
        while (rounds--) turn();
        return;
    }
    while (rounds--) {
        uint64_t end = events_seen + (uint64_t)active + CHAIN;
        writes_left = CHAIN;
        start();
        while (events_seen < end) turn();
    }
}

static double processor_time(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void run(void (*prepare)(void), void (*turn)(void)) {
    prepare();
    if (!is_chain) start();
    repeat(times / 10 + 1, turn); /* warms up */
    sum = events_seen = 0;
    double begin = processor_time();
    repeat(times, turn);
    double time = processor_time() - begin;
    printf("%.2f %llu\n", time / (double)events_seen, (unsigned long long)sum);
}

int main(int argc, char **argv) {
    count = argc == 6 ? atoi(argv[3]) : 0;
    active = argc == 6 ? atoi(argv[4]) : 0;
    times = argc == 6 ? atoi(argv[5]) : 0;
    if (times < 1 || active < 1 || active > count || count > LARGEST) {
        fprintf(stderr, "usage: poller-loop chain|idle epoll|poll|select|io_uring PAIRS ACTIVE TIMES\n");
        return 2;
    }
    is_chain = !strcmp(argv[1], "chain");
    open_pairs();
    if (!strcmp(argv[2], "epoll")) run(prepare_epoll, turn_epoll);
    else if (!strcmp(argv[2], "poll")) run(prepare_poll, turn_poll);
    else if (!strcmp(argv[2], "select")) run(prepare_select, turn_select);
    else run(prepare_io_uring, turn_io_uring);
    return 0;
}
