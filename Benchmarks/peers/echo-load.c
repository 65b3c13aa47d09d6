/*
 * Loads an echo server and checks every byte that comes back.
 *
 *     echo-load PORT CONNECTIONS SIZE DEPTH REQUESTS [--seed N]
 *
 * Keeps DEPTH messages of SIZE bytes in flight on each of CONNECTIONS
 * connections to 127.0.0.1:PORT and ends after REQUESTS round trips in total.
 * Prints one line of JSON; anything wrong ends it with a reason and status 1.
 *
 * Latency runs from the moment a message is handed over to be sent until its
 * last byte is back. The clock is read once per event, not once per message,
 * so that a deep pipeline is not slowed down by being measured.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TIME_LIMIT_SECONDS = 60, CHUNK = 64 * 1024, EVENTS = 256 };

/*
 * Each connection sends this pattern over and over, from its own starting
 * point. The period is prime, so that a message lost, doubled, out of order or
 * sent to another connection does not look right by accident. A chunk may
 * begin anywhere within the period, hence the room for one more at the end.
 */
enum { PERIOD = 65521 };
static unsigned char pattern[PERIOD + CHUNK];

struct settings {
    uint64_t port, connections, size, depth, requests, seed;
};

struct connection {
    int fd;
    uint32_t watched;            /* the events epoll reports at the moment */
    uint64_t first;              /* where in the pattern this connection begins */
    uint64_t sent, received;     /* bytes */
    uint64_t started, completed; /* messages */
    uint64_t *started_at;        /* of the messages in flight: a ring of DEPTH times */
};

static struct settings settings;
static int epoll;
static uint64_t started, completed; /* over all connections */
static uint64_t *latencies;         /* of all completed round trips, in nanoseconds */

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "echo-load: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static void fail_with_errno(const char *what) {
    fail("%s: %s", what, strerror(errno));
}

/* An alarm covers it all, a connect that hangs included. */
static void time_is_up(int signal) {
    static const char reason[] = "echo-load: not done within the time limit\n";
    (void)signal;
    ssize_t ignored = write(STDERR_FILENO, reason, sizeof reason - 1);
    (void)ignored;
    _exit(1);
}

static void *allocate(uint64_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) fail_with_errno("calloc");
    return memory;
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* ---- Pattern ---- */

/* splitmix64: any seed will do, 0 too. */
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

static void open_connection(struct connection *c, uint64_t first) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)settings.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) fail_with_errno("socket");
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) fail_with_errno("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->first = first;
    c->started_at = allocate(settings.depth, sizeof *c->started_at);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void start_messages(struct connection *c, uint64_t time) {
    while (c->started - c->completed < settings.depth && started < settings.requests) {
        c->started_at[c->started % settings.depth] = time;
        c->started++;
        started++;
    }
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
    if (c->received + length > c->sent) fail("more came back than was sent");
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

static void handle(struct connection *c, uint32_t events) {
    if (events & ~(uint32_t)EPOLLOUT) receive(c); /* errors show up here as well */
    uint64_t time = now();
    complete_messages(c, time);
    start_messages(c, time);
    send_started(c);
}

/* ---- The run ---- */

static struct connection *open_connections(uint64_t *random) {
    struct connection *all = allocate(settings.connections, sizeof *all);
    for (uint64_t i = 0; i < settings.connections; i++) {
        open_connection(&all[i], next_random(random) % PERIOD);
    }
    return all;
}

static void run(struct connection *all) {
    for (uint64_t i = 0; i < settings.connections; i++) {
        start_messages(&all[i], now());
        send_started(&all[i]);
    }
    struct epoll_event events[EVENTS];
    while (completed < settings.requests) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) fail_with_errno("epoll_wait");
        for (int i = 0; i < count; i++) handle(events[i].data.ptr, events[i].events);
    }
}

static int by_value(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Of the sorted latencies, the least that is not exceeded by `percent` of them. */
static double percentile_us(uint64_t percent) {
    uint64_t rank = (settings.requests * percent + 99) / 100;
    return (double)latencies[rank - 1] / 1000;
}

static void report(uint64_t nanoseconds) {
    double seconds = (double)nanoseconds / 1e9;
    qsort(latencies, settings.requests, sizeof *latencies, by_value);
    printf("{\"requests\": %llu, \"seconds\": %.6f, \"requests_per_second\": %.1f, "
           "\"p50_us\": %.3f, \"p99_us\": %.3f}\n",
           (unsigned long long)settings.requests, seconds, (double)settings.requests / seconds,
           percentile_us(50), percentile_us(99));
}

/* ---- Arguments ---- */

static uint64_t parse(const char *name, const char *text, uint64_t least, uint64_t most) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    int is_number = *text >= '0' && *text <= '9' && !*end && !errno;
    if (!is_number || value < least || value > most) {
        fail("%s must be a number from %llu to %llu, not '%s'", name, (unsigned long long)least,
             (unsigned long long)most, text);
    }
    return value;
}

static struct settings parse_arguments(int argc, char **argv) {
    int has_seed = argc == 8 && strcmp(argv[6], "--seed") == 0;
    if (argc != 6 && !has_seed) {
        fail("usage: echo-load PORT CONNECTIONS SIZE DEPTH REQUESTS [--seed N]");
    }
    return (struct settings){
        .port = parse("PORT", argv[1], 1, 65535),
        .connections = parse("CONNECTIONS", argv[2], 1, 100000),
        .size = parse("SIZE", argv[3], 1, 1 << 30),
        .depth = parse("DEPTH", argv[4], 1, 100000),
        .requests = parse("REQUESTS", argv[5], 1, 100000000),
        .seed = has_seed ? parse("--seed", argv[7], 0, UINT64_MAX) : 1,
    };
}

int main(int argc, char **argv) {
    settings = parse_arguments(argc, argv);
    signal(SIGALRM, time_is_up);
    alarm(TIME_LIMIT_SECONDS);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) fail_with_errno("epoll_create1");
    latencies = allocate(settings.requests, sizeof *latencies);

    uint64_t random = settings.seed;
    fill_pattern(&random);
    struct connection *all = open_connections(&random);
    uint64_t begin = now();
    run(all);
    report(now() - begin);
    return 0;
}
