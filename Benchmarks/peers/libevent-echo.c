/*
 * An echo server on libevent's plain events, its fastest API: libevent waits,
 * the server itself receives and sends.
 */
#define _GNU_SOURCE
#include "listening.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

struct connection {
    struct event *readable, *writable;
    char *pending; /* bytes that the peer had no room for, or NULL */
    size_t start, end;
};

static struct event_base *base;
static char buffer[64 * 1024];

static void drop(struct connection *c) {
    int fd = event_get_fd(c->readable);
    event_free(c->readable);
    event_free(c->writable);
    close(fd);
    free(c->pending);
    free(c);
}

/* Keeps the remainder of an echo. Reading stops until it is sent, so one buffer is enough. */
static void keep(struct connection *c, const char *remainder, size_t length) {
    c->pending = malloc(length);
    if (!c->pending) die("malloc");
    memcpy(c->pending, remainder, length);
    c->start = 0;
    c->end = length;
    event_del(c->readable);
    event_add(c->writable, NULL);
}

/* Sends at once; returns how much was taken, or -1 if the connection is broken. */
static ssize_t send_now(int fd, const char *bytes, size_t length) {
    ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

static void echo(evutil_socket_t fd, short what, void *argument) {
    (void)what;
    struct connection *c = argument;
    ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    if (length < 0 && errno == EAGAIN) return;
    ssize_t sent = length > 0 ? send_now(fd, buffer, (size_t)length) : -1;
    if (sent < 0) drop(c);
    else if (sent < length) keep(c, buffer + sent, (size_t)(length - sent));
}

static void flush(evutil_socket_t fd, short what, void *argument) {
    (void)what;
    struct connection *c = argument;
    ssize_t sent = send_now(fd, c->pending + c->start, c->end - c->start);
    if (sent < 0) {
        drop(c);
        return;
    }
    c->start += (size_t)sent;
    if (c->start < c->end) return;
    free(c->pending);
    c->pending = NULL;
    event_del(c->writable);
    event_add(c->readable, NULL);
}

static void accept_one(evutil_socket_t listener, short what, void *argument) {
    (void)what;
    (void)argument;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED)) return;
    if (fd < 0) die("accept4");
    struct connection *c = calloc(1, sizeof *c);
    if (!c) die("calloc");
    c->readable = event_new(base, fd, EV_READ | EV_PERSIST, echo, c);
    c->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, flush, c);
    if (!c->readable || !c->writable || event_add(c->readable, NULL) < 0) die("event_new");
}

int main(void) {
    int listener = open_listener(SOCK_NONBLOCK);
    base = event_base_new();
    struct event *acceptable = base ? event_new(base, listener, EV_READ | EV_PERSIST, accept_one, NULL) : NULL;
    if (!acceptable || event_add(acceptable, NULL) < 0) die("libevent");
    announce(listener);
    return event_base_dispatch(base) < 0;
}
