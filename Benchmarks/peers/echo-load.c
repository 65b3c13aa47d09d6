/*
 * Puts load on an echo server, and checks every byte that comes back.
 *
 *     echo-load PORT CONNECTIONS SIZE DEPTH [--in-turn N] [--sources N] [--seed N]
 *
 * Keeps DEPTH messages of SIZE bytes in flight on each of CONNECTIONS
 * connections; with --in-turn, only N messages over all connections, which
 * take turns. The connections come from as many addresses of 127.0.0.0/8 as
 * --sources says. The work is a number of round trips: see load.h.
 *
 * Latency is measured from the moment a message is queued for sending until its
 * last byte is back. The clock is read once per event, not once per message,
 * so that measuring does not slow down a deep pipeline.
 */
#define _GNU_SOURCE
#include "load.h"

#include <sys/epoll.h>

enum { TIME_LIMIT_SECONDS = 120, CHUNK = 64 * 1024, EVENTS = 256, MOST_REQUESTS = 100000000 };

/*
 * Each connection sends this pattern repeatedly, from its own starting point.
 * The period is prime, so that a message that is lost, duplicated, out of order
 * or sent to another connection does not look right by accident. A chunk may
 * start anywhere within the period, hence the room for one more at the end.
 */
enum { PERIOD = 65521 };
static unsigned char pattern[PERIOD + CHUNK];

struct settings {
    uint64_t port, connections, size, depth;
    uint64_t in_turn; /* 0: all connections at once */
    uint64_t sources, seed;
};

struct connection {
    int fd;
    uint32_t watched;            /* the events that epoll currently reports */
    uint64_t first;              /* where in the pattern this connection begins */
    uint64_t sent, received;     /* bytes */
    uint64_t started, completed; /* messages */
    uint64_t *started_at;        /* of the messages in flight: a ring of DEPTH times */
};

static struct settings settings;
static int epoll;
static struct connection *all;
static uint64_t requests, started, completed; /* of the current work, over all connections */
static uint64_t *latencies;                   /* of all completed round trips, in nanoseconds */

/* ---- Pattern ---- */

/* splitmix64: any seed will do, including 0. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void fill_pattern(uint64_t *random) {
    for (size_t i = 0; i < sizeof pattern; i++) {
        pattern[i] = i < PERIOD ? (unsigned char)next_random(random) : pattern[i - PERIOD];
    }
}

static const unsigned char *pattern_at(const struct connection *c, uint64_t position) {
    return pattern + (c->first + position) % PERIOD;
}

/* ---- Connections ---- */

static void watch(struct connection *c, int operation, uint32_t events) {
    if (c->watched == events) return;
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll, operation, c->fd, &event) < 0) fail_with_errno("epoll_ctl");
    c->watched = events;
}

static void open_connection(struct connection *c, uint64_t source, uint64_t first) {
    c->fd = connect_from(source, settings.port);
    c->first = first;
    c->started_at = allocate(settings.depth, sizeof *c->started_at);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static int has_room(const struct connection *c) {
    return c->started - c->completed < settings.depth && started < requests;
}

static void start_message(struct connection *c, uint64_t time) {
    c->started_at[c->started % settings.depth] = time;
    c->started++;
    started++;
}

static void complete_messages(struct connection *c, uint64_t time) {
    while (c->received >= (c->completed + 1) * settings.size) {
        latencies[completed] = time - c->started_at[c->completed % settings.depth];
        c->completed++;
        completed++;
    }
}

static void send_started(struct connection *c) {
    while (c->sent < c->started * settings.size) {
        uint64_t left = c->started * settings.size - c->sent;
        size_t length = left < CHUNK ? left : CHUNK;
        ssize_t n = send(c->fd, pattern_at(c, c->sent), length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0) fail_with_errno("send");
        c->sent += (uint64_t)n;
    }
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void check(const struct connection *c, const unsigned char *bytes, size_t length) {
    if (c->received + length > c->sent) fail("more bytes came back than were sent");
    const unsigned char *expected = pattern_at(c, c->received);
    if (memcmp(bytes, expected, length) == 0) return;
    size_t i = 0;
    while (bytes[i] == expected[i]) i++;
    fail("byte %llu of a connection came back as %d instead of %d",
         (unsigned long long)(c->received + i), bytes[i], expected[i]);
}

static void receive(struct connection *c) {
    static unsigned char buffer[CHUNK];
    ssize_t n = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) fail_with_errno("recv");
    if (n == 0) fail("the server closed a connection");
    check(c, buffer, (size_t)n);
    c->received += (uint64_t)n;
}

/* Starts one message on the connection whose turn it is. */
static void start_next(uint64_t time) {
    static uint64_t turn;
    if (started == requests) return;
    struct connection *c;
    do c = &all[turn++ % settings.connections];
    while (!has_room(c));
    start_message(c, time);
    send_started(c);
}

static void handle(struct connection *c, uint32_t events) {
    if (events & ~(uint32_t)EPOLLOUT) receive(c); /* errors are reported here, too */
    uint64_t time = now(), before = completed;
    complete_messages(c, time);
    while (!settings.in_turn && has_room(c)) start_message(c, time);
    send_started(c);
    for (; settings.in_turn && before < completed; before++) start_next(time);
}

/* ---- The run ---- */

static void open_connections(uint64_t *random) {
    all = allocate(settings.connections, sizeof *all);
    for (uint64_t i = 0; i < settings.connections; i++) {
        open_connection(&all[i], 1 + i % settings.sources, next_random(random) % PERIOD);
    }
}

static void start_first(void) {
    for (uint64_t i = 0; i < settings.in_turn; i++) start_next(now());
    for (uint64_t i = 0; !settings.in_turn && i < settings.connections; i++) {
        uint64_t time = now();
        while (has_room(&all[i])) start_message(&all[i], time);
        send_started(&all[i]);
    }
}

static void run(void) {
    started = completed = 0;
    latencies = realloc(latencies, requests * sizeof *latencies);
    if (!latencies) fail_with_errno("realloc");
    start_first();
    struct epoll_event events[EVENTS];
    while (completed < requests) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) fail_with_errno("epoll_wait");
        for (int i = 0; i < count; i++) handle(events[i].data.ptr, events[i].events);
    }
}

static int by_value(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* The smallest of the sorted latencies that `percent` of them do not exceed. */
static double percentile_us(uint64_t percent) {
    uint64_t rank = (requests * percent + 99) / 100;
    return (double)latencies[rank - 1] / 1000;
}

static void report(uint64_t nanoseconds) {
    double seconds = (double)nanoseconds / 1e9;
    qsort(latencies, requests, sizeof *latencies, by_value);
    printf("{\"requests\": %llu, \"seconds\": %.6f, \"requests_per_second\": %.1f, "
           "\"p50_us\": %.3f, \"p99_us\": %.3f}\n",
           (unsigned long long)requests, seconds, (double)requests / seconds,
           percentile_us(50), percentile_us(99));
}

/* ---- Arguments ---- */

static void parse_option(const char *name, const char *value) {
    if (!strcmp(name, "--in-turn")) settings.in_turn = parse(name, value, 1, settings.connections * settings.depth);
    else if (!strcmp(name, "--sources")) settings.sources = parse(name, value, 1, 250);
    else if (!strcmp(name, "--seed")) settings.seed = parse(name, value, 0, UINT64_MAX);
    else fail("unknown option %s", name);
}

static void parse_arguments(int argc, char **argv) {
    if (argc < 5 || argc % 2 == 0) {
        fail("usage: echo-load PORT CONNECTIONS SIZE DEPTH [--in-turn N] [--sources N] [--seed N]");
    }
    settings = (struct settings){
        .port = parse("PORT", argv[1], 1, 65535),
        .connections = parse("CONNECTIONS", argv[2], 1, 2000000),
        .size = parse("SIZE", argv[3], 1, 1 << 30),
        .depth = parse("DEPTH", argv[4], 1, 100000),
        .sources = 1,
        .seed = 1,
    };
    for (int i = 5; i < argc; i += 2) parse_option(argv[i], argv[i + 1]);
}

int main(int argc, char **argv) {
    parse_arguments(argc, argv);
    raise_descriptor_limit();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) fail_with_errno("epoll_create1");

    limit_time(TIME_LIMIT_SECONDS);
    uint64_t random = settings.seed;
    fill_pattern(&random);
    open_connections(&random);
    printf("{\"connected\": %llu}\n", (unsigned long long)settings.connections);
    while ((requests = next_command(MOST_REQUESTS, TIME_LIMIT_SECONDS))) {
        uint64_t begin = now();
        run();
        report(now() - begin);
    }
    return 0;
}
