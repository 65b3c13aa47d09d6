/*
 * The yardstick of the poller benchmark: the least that select, poll and epoll
 * have to do to tell which of many descriptors are ready.
 *
 *     poller-loop BACKEND DESCRIPTORS ACTIVE TURNS
 *
 * Of DESCRIPTORS socket pairs, ACTIVE, spread evenly, have a byte to read that
 * is never read. Waits TURNS times, adds up the numbers of what is ready, and
 * prints one line: the nanoseconds of processor time per event, and the sum.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 100000 };

static int count, active, turns;
static int fds[LARGEST];
static int index_of[LARGEST * 3]; /* by descriptor */
static uint64_t sum, events_seen;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void open_pairs(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < count; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) die("socketpair");
        fds[i] = pair[0];
        index_of[pair[0]] = i;
        if (i % (count / active) == 0 && i / (count / active) < active && write(pair[1], "x", 1) != 1) die("write");
    }
}

static void found(int i) {
    sum += (uint64_t)i;
    events_seen++;
}

static int epoll;
static struct epoll_event epoll_events[1024];

static void prepare_epoll(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) die("epoll_create1");
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = (uint64_t)i};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) < 0) die("epoll_ctl");
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
    for (int i = 0; i < count; i++) entries[i] = (struct pollfd){.fd = fds[i], .events = POLLIN | POLLRDHUP};
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

/* As long as needed: an fd_set ends at 1024. */
static unsigned long watched[LARGEST * 3 / 64 + 1], result[LARGEST * 3 / 64 + 1];
static int highest;

static void prepare_select(void) {
    for (int i = 0; i < count; i++) {
        watched[fds[i] / 64] |= 1UL << fds[i] % 64;
        if (fds[i] > highest) highest = fds[i];
    }
}

static void turn_select(void) {
    int words = highest / 64 + 1;
    memcpy(result, watched, (size_t)words * sizeof *result);
    if (select(highest + 1, (fd_set *)result, NULL, NULL, NULL) < 0) die("select");
    for (int word = 0; word < words; word++) {
        for (unsigned long bits = result[word]; bits; bits &= bits - 1) {
            found(index_of[word * 64 + __builtin_ctzl(bits)]);
        }
    }
}

static double processor_time(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void run(void (*prepare)(void), void (*turn)(void)) {
    prepare();
    for (int i = 0; i < turns / 10; i++) turn(); /* warms up */
    sum = events_seen = 0;
    double begin = processor_time();
    for (int i = 0; i < turns; i++) turn();
    double time = processor_time() - begin;
    printf("%.2f %llu\n", time / (double)events_seen, (unsigned long long)sum);
}

int main(int argc, char **argv) {
    count = argc == 5 ? atoi(argv[2]) : 0;
    active = argc == 5 ? atoi(argv[3]) : 0;
    turns = argc == 5 ? atoi(argv[4]) : 0;
    if (turns < 1 || active < 1 || active > count || count > LARGEST) {
        fprintf(stderr, "usage: poller-loop epoll|poll|select DESCRIPTORS ACTIVE TURNS\n");
        return 2;
    }
    open_pairs();
    if (!strcmp(argv[1], "epoll")) run(prepare_epoll, turn_epoll);
    else if (!strcmp(argv[1], "poll")) run(prepare_poll, turn_poll);
    else run(prepare_select, turn_select);
    return 0;
}
