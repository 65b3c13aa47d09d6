/*
 * What the load generators share. Each opens what it needs, prints a line when
 * it is ready, and then reads commands from standard input: a line with a
 * number requests that much work, and is answered by a line of JSON; at the end
 * of input, the program exits. So a benchmark can examine the server at any
 * point in between. On any error, the program prints the reason, and exits with
 * status 1.
 */
#ifndef LOAD_H
#define LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static inline _Noreturn void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static inline _Noreturn void fail_with_errno(const char *what) {
    fail("%s: %s", what, strerror(errno));
}

static inline void *allocate(uint64_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) fail_with_errno("calloc");
    return memory;
}

static inline uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* ---- Arguments and commands ---- */

static inline uint64_t parse(const char *name, const char *text, uint64_t least, uint64_t most) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    int is_number = *text >= '0' && *text <= '9' && (!*end || *end == '\n') && !errno;
    if (!is_number || value < least || value > most) {
        fail("%s must be a number from %llu to %llu, not '%s'", name, (unsigned long long)least,
             (unsigned long long)most, text);
    }
    return value;
}

static inline void time_is_up(int signal) {
    static const char reason[] = "the load generator exceeded its time limit\n";
    (void)signal;
    ssize_t ignored = write(STDERR_FILENO, reason, sizeof reason - 1);
    (void)ignored;
    _exit(1);
}

/* The alarm covers everything, including a connect that hangs. */
static inline void limit_time(unsigned seconds) {
    signal(SIGALRM, time_is_up);
    alarm(seconds);
}

/* Waits for the next command. Returns 0 at the end of input. */
static inline uint64_t next_command(uint64_t most, unsigned time_limit) {
    char line[64];
    fflush(stdout);
    alarm(0);
    if (!fgets(line, sizeof line, stdin)) return 0;
    limit_time(time_limit);
    return parse("the work", line, 1, most);
}

/* ---- Sockets ---- */

static inline void raise_descriptor_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * Connects to 127.0.0.1:PORT. Between one address and one port, there can be
 * only as many connections as there are ephemeral ports, hence SOURCE: 1 stands
 * for 127.0.0.1, 2 for 127.0.0.2, and so on.
 */
static inline int connect_from(uint64_t source, uint64_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)source - 1)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail_with_errno("socket");
    /* The local port is chosen by connect, when the destination is known. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail_with_errno("bind");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail_with_errno("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

#endif
