/*
 * The yardstick of the echo benchmark: the least an echo server on
 * level-triggered epoll has to do, on one thread.
 *
 *     epoll-echo PORT        (127.0.0.1 only; port 0 lets the kernel choose)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    int fd;
    char *pending; /* what the peer had no room for, or NULL */
    size_t start, end;
};

static int epoll;
static char buffer[64 * 1024]; /* shared: an echo leaves nothing behind in it */

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int operation, int fd, uint32_t events, struct connection *c) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll, operation, fd, &event) < 0) die("epoll_ctl");
}

static void drop(struct connection *c) {
    close(c->fd); /* which also takes it out of epoll */
    free(c->pending);
    free(c);
}

static void accept_one(int listener) {
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED)) return;
    if (fd < 0) die("accept4");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = calloc(1, sizeof *c);
    if (!c) die("calloc");
    c->fd = fd;
    watch(EPOLL_CTL_ADD, fd, EPOLLIN, c);
}

/* Keeps the rest of an echo. Reading stops until it is gone, so one buffer is enough. */
static void keep(struct connection *c, const char *rest, size_t length) {
    c->pending = malloc(length);
    if (!c->pending) die("malloc");
    memcpy(c->pending, rest, length);
    c->start = 0;
    c->end = length;
    watch(EPOLL_CTL_MOD, c->fd, EPOLLOUT, c);
}

/* Sends at once; returns how much was taken, or -1 if the connection is broken. */
static ssize_t send_now(int fd, const char *bytes, size_t length) {
    ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

static void echo(struct connection *c) {
    ssize_t length = recv(c->fd, buffer, sizeof buffer, 0);
    if (length < 0 && errno == EAGAIN) return;
    ssize_t sent = length > 0 ? send_now(c->fd, buffer, length) : -1;
    if (sent < 0) drop(c);
    else if (sent < length) keep(c, buffer + sent, length - sent);
}

static void flush(struct connection *c) {
    ssize_t sent = send_now(c->fd, c->pending + c->start, c->end - c->start);
    if (sent < 0) {
        drop(c);
        return;
    }
    c->start += sent;
    if (c->start < c->end) return;
    free(c->pending);
    c->pending = NULL;
    watch(EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
}

static int listen_on(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, length) < 0) die("bind");
    if (listen(fd, SOMAXCONN) < 0) die("listen");
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) die("getsockname");
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    int port = argc == 2 ? atoi(argv[1]) : -1;
    if (port < 0 || port > 65535) {
        fprintf(stderr, "usage: epoll-echo PORT\n");
        return 2;
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) die("epoll_create1");
    int listener = listen_on(port);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL); /* NULL marks the listener */

    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) accept_one(listener);
            else if (c->pending) flush(c);
            else echo(c);
        }
    }
}
