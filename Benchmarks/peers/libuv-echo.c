/*
 * An echo server on libuv, with one buffer for all reads. Writes are attempted
 * at once; bytes that the peer has no room for are copied, and reading stops
 * until they are sent.
 */
#define _GNU_SOURCE
#include "listening.h"

#include <string.h>
#include <uv.h>

struct pending {
    uv_write_t request;
    char bytes[];
};

static char buffer[64 * 1024];

static void check(int status, const char *what) {
    if (status >= 0) return;
    fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
    exit(1);
}

static void closed(uv_handle_t *handle) {
    free(handle);
}

static void drop(uv_stream_t *stream) {
    if (!uv_is_closing((uv_handle_t *)stream)) uv_close((uv_handle_t *)stream, closed);
}

static void provide_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *provided) {
    (void)handle;
    (void)suggested;
    *provided = uv_buf_init(buffer, sizeof buffer);
}

static void echo(uv_stream_t *stream, ssize_t length, const uv_buf_t *bytes);

static void written(uv_write_t *request, int status) {
    uv_stream_t *stream = request->handle;
    free(request); /* the first member of its struct */
    if (status < 0 || uv_read_start(stream, provide_buffer, echo) < 0) drop(stream);
}

static void write_remainder(uv_stream_t *stream, const char *remainder, size_t length) {
    struct pending *pending = malloc(sizeof *pending + length);
    if (!pending) die("malloc");
    memcpy(pending->bytes, remainder, length);
    uv_buf_t copy = uv_buf_init(pending->bytes, (unsigned)length);
    uv_read_stop(stream);
    if (uv_write(&pending->request, stream, &copy, 1, written) == 0) return;
    free(pending);
    drop(stream);
}

static void echo(uv_stream_t *stream, ssize_t length, const uv_buf_t *bytes) {
    if (length == 0) return;
    if (length < 0) {
        drop(stream);
        return;
    }
    uv_buf_t reply = uv_buf_init(bytes->base, (unsigned)length);
    int sent = uv_try_write(stream, &reply, 1);
    if (sent == UV_EAGAIN) sent = 0;
    if (sent < 0) drop(stream);
    else if (sent < length) write_remainder(stream, bytes->base + sent, (size_t)(length - sent));
}

static void accept_one(uv_stream_t *listener, int status) {
    if (status < 0) return;
    uv_tcp_t *client = malloc(sizeof *client);
    if (!client) die("malloc");
    check(uv_tcp_init(listener->loop, client), "uv_tcp_init");
    check(uv_accept(listener, (uv_stream_t *)client), "uv_accept");
    check(uv_read_start((uv_stream_t *)client, provide_buffer, echo), "uv_read_start");
}

int main(void) {
    int fd = open_listener(SOCK_NONBLOCK);
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    check(uv_tcp_init(loop, &listener), "uv_tcp_init");
    check(uv_tcp_open(&listener, fd), "uv_tcp_open");
    check(uv_listen((uv_stream_t *)&listener, SOMAXCONN, accept_one), "uv_listen");
    announce(fd);
    return uv_run(loop, UV_RUN_DEFAULT);
}
