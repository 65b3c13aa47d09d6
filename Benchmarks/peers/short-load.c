/*
 * Puts load on an echo server with short connections: connect, echo one
 * message, close.
 *
 *     short-load PORT SIZE CONCURRENT SOURCES
 *
 * CONCURRENT connections are open at a time, and go through each step
 * together, so that the server finds several of them ready in a turn. They come
 * from SOURCES addresses of 127.0.0.0/8 in turn, because a closed connection
 * keeps its ports for a minute. The work is a number of connections: see load.h.
 */
#define _GNU_SOURCE
#include "load.h"

enum { TIME_LIMIT_SECONDS = 60, LARGEST = 64 * 1024, MOST_AT_A_TIME = 1024 };

static struct {
    uint64_t port, size, concurrent, sources;
} settings;

static unsigned char message[LARGEST];
static uint64_t opened;

/* Each message differs from those before it. */
static void prepare_message(uint64_t number) {
    for (size_t i = 0; i < settings.size; i++) message[i] = (unsigned char)(i * 31 + number * 17);
}

static void send_message(int fd) {
    if (send(fd, message, settings.size, MSG_NOSIGNAL) != (ssize_t)settings.size) fail_with_errno("send");
}

static void check_echo(int fd) {
    static unsigned char echo[LARGEST];
    ssize_t length = recv(fd, echo, settings.size, MSG_WAITALL);
    if (length < 0) fail_with_errno("recv");
    if ((uint64_t)length < settings.size) fail("the server closed a connection after %zd bytes", length);
    if (memcmp(echo, message, settings.size) != 0) fail("the echo differs from the message");
}

static void run_together(uint64_t count) {
    static int fds[MOST_AT_A_TIME];
    prepare_message(opened);
    for (uint64_t i = 0; i < count; i++) fds[i] = connect_from(1 + opened++ % settings.sources, settings.port);
    for (uint64_t i = 0; i < count; i++) send_message(fds[i]);
    for (uint64_t i = 0; i < count; i++) check_echo(fds[i]);
    for (uint64_t i = 0; i < count; i++) close(fds[i]);
}

int main(int argc, char **argv) {
    if (argc != 5) fail("usage: short-load PORT SIZE CONCURRENT SOURCES");
    settings.port = parse("PORT", argv[1], 1, 65535);
    settings.size = parse("SIZE", argv[2], 1, LARGEST);
    settings.concurrent = parse("CONCURRENT", argv[3], 1, MOST_AT_A_TIME);
    settings.sources = parse("SOURCES", argv[4], 1, 250);
    printf("{\"ready\": true}\n");
    for (uint64_t work; (work = next_command(100000000, TIME_LIMIT_SECONDS));) {
        uint64_t begin = now();
        for (uint64_t left = work; left > 0;) {
            uint64_t count = left < settings.concurrent ? left : settings.concurrent;
            run_together(count);
            left -= count;
        }
        printf("{\"connections\": %llu, \"seconds\": %.6f}\n", (unsigned long long)work, (double)(now() - begin) / 1e9);
    }
    return 0;
}
