/*
 * The baseline of the echo benchmark: the minimum that an echo server on
 * level-triggered epoll has to do, on one thread.
 *
 *     epoll-echo         (127.0.0.1, on a port that the kernel chooses)
 */
#define _GNU_SOURCE
#include "listening.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct connection {
    int fd;
    char *pending; /* bytes that the peer had no room for, or NULL */
    size_t start, end;
};

static int epoll;
static char buffer[64 * 1024]; /* shared: an echo leaves nothing in it */

static void watch(int operation, int fd, uint32_t events, struct connection *c) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll, operation, fd, &event) < 0) die("epoll_ctl");
}

static void drop(struct connection *c) {
    close(c->fd); /* also removes it from epoll */
    free(c->pending);
    free(c);
}

static void accept_one(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED)) return;
    if (fd < 0) die("accept4");
    struct connection *c = calloc(1, sizeof *c);
    if (!c) die("calloc");
    c->fd = fd;
    watch(EPOLL_CTL_ADD, fd, EPOLLIN, c);
}

/* Keeps the remainder of an echo. Reading stops until it is sent, so one buffer is enough. */
static void keep(struct connection *c, const char *remainder, size_t length) {
    c->pending = malloc(length);
    if (!c->pending) die("malloc");
    memcpy(c->pending, remainder, length);
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
    ssize_t sent = length > 0 ? send_now(c->fd, buffer, (size_t)length) : -1;
    if (sent < 0) drop(c);
    else if (sent < length) keep(c, buffer + sent, (size_t)(length - sent));
}

static void flush(struct connection *c) {
    ssize_t sent = send_now(c->fd, c->pending + c->start, c->end - c->start);
    if (sent < 0) {
        drop(c);
        return;
    }
    c->start += (size_t)sent;
    if (c->start < c->end) return;
    free(c->pending);
    c->pending = NULL;
    watch(EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
}

int main(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) die("epoll_create1");
    int listener = open_listener(SOCK_NONBLOCK);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL); /* NULL marks the listener */
    announce(listener);

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
