// The HTTP server: any bytes on a connection, in any pieces, over either kind of socket. The first
// byte says which kind, and whether the client leaves before it has read everything; each piece
// begins with a byte that says how long it is.
#include "fuzz.h"

#include "daemon/http_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Turns that the server gets for one piece; more than any needs.
#define TURNS_MAX 10000

struct fuzz {
    struct gr_http_request *later;
    struct gr_http_request *paused;
    unsigned data;
};

static struct fuzz *the_fuzz; // of the call; free_data is given no context

static void data_free(void *data)
{
    the_fuzz->data--;
    if (the_fuzz->paused != NULL && gr_http_request_data(the_fuzz->paused) == data) {
        the_fuzz->paused = NULL;
    }
    free(data);
}

static void data_give(struct fuzz *fuzz, struct gr_http_request *request)
{
    if (gr_http_request_data(request) == NULL) {
        fuzz->data++;
        gr_http_request_data_set(request, malloc(1), data_free);
    }
}

static void query_touch(void *context, struct gr_slice name, struct gr_slice value)
{
    unsigned *sum = context;
    for (size_t i = 0; i < name.size; i++) {
        *sum += (unsigned char)name.text[i];
        assert((unsigned char)name.text[i] >= ' ');
    }
    for (size_t i = 0; i < value.size; i++) {
        *sum += (unsigned char)value.text[i];
    }
}

static void show(void *context, struct gr_http_request *request)
{
    struct gr_slice id = gr_http_request_param(request, "id");
    struct gr_slice path = gr_http_request_path(request);
    unsigned sum = 0;
    assert(id.size > 0 && path.size > 0);
    data_give(context, request);
    gr_http_request_query_each(request, query_touch, &sum);
    gr_http_reply_error(request, 404, "not-there", id.size < 100 ? "x" : "long", NULL, "id");
}

static void echo(void *context, struct gr_http_request *request)
{
    data_give(context, request);
    gr_http_reply(request, 200, "text/plain", gr_http_request_body(request));
}

static void later(void *context, struct gr_http_request *request)
{
    struct fuzz *fuzz = context;
    data_give(fuzz, request);
    gr_http_request_defer(request, NULL);
    assert(fuzz->later == NULL);
    fuzz->later = request;
}

static bool line(void *context, struct gr_http_request *request, struct gr_slice text)
{
    struct fuzz *fuzz = context;
    data_give(fuzz, request);
    if (text.size == 0) {
        return true;
    }
    assert(memchr(text.text, '\n', text.size) == NULL);
    if (text.text[0] == 'p') {
        gr_http_request_pause(request);
        fuzz->paused = request;
    }
    return text.text[0] != 's';
}

static long stream_read(void *context, char *bytes, size_t size)
{
    unsigned *left = context;
    if (*left == 0) {
        return -1;
    }
    *left -= 1;
    memset(bytes, 'x', size < 100 ? size : 100);
    return size < 100 ? (long)size : 100;
}

static void stream_done(void *context)
{
    the_fuzz->data--;
    free(context);
}

static void stream(void *context, struct gr_http_request *request)
{
    struct fuzz *fuzz = context;
    struct gr_http_source source = {malloc(sizeof(unsigned)), stream_read, stream_done};
    *(unsigned *)source.context = 5;
    fuzz->data++;
    gr_http_reply_stream(request, 200, "text/event-stream", &source);
}

static int admit(void *context, struct gr_http_request *request, struct gr_err *err)
{
    (void)context;
    const struct gr_http_peer *peer = gr_http_request_peer(request);
    return peer->is_unix || peer->token.size > 0 ? 0 : (gr_fail(err, -EACCES, "no token"), 401);
}

static const struct gr_http_route routes[] = {
    {"GET", "/s/{id}", show, NULL, false},  {"POST", "/e", echo, NULL, false},
    {"GET", "/l", later, NULL, true},       {"POST", "/n", later, line, false},
    {"POST", "/n/{id}", echo, line, false}, {"GET", "/t", stream, NULL, false},
    {NULL, NULL, NULL, NULL, false},
};

// What the server said so far is a reply, if it is anything.
static bool drain(int fd)
{
    char bytes[65536];
    ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    return got > 0;
}

static void turn(struct gr_http *http, struct fuzz *fuzz, int fd)
{
    for (int i = 0; i < TURNS_MAX; i++) {
        int due = gr_http_run(http);
        bool is_busy = drain(fd);
        if (fuzz->later != NULL) {
            struct gr_http_request *request = fuzz->later;
            fuzz->later = NULL;
            gr_http_reply(request, 200, "text/plain", gr_slice_of("later"));
            is_busy = true;
        }
        if (fuzz->paused != NULL) {
            struct gr_http_request *request = fuzz->paused;
            fuzz->paused = NULL;
            gr_http_request_resume(request);
            is_busy = true;
        }
        if (due != 0 && !is_busy) {
            return;
        }
    }
    assert(!"the server spins");
}

static void play(struct gr_http *http, struct fuzz *fuzz, const uint8_t *data, size_t size)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0) {
        abort();
    }
    struct gr_http_peer peer = {.is_unix = (data[0] & 1) != 0, .token = {"", 0}};
    struct http_origin origin = {.bytes = {0}};
    struct sockaddr address = {.sa_family = AF_UNIX};
    http_connection_add(http, fds[0], &address, sizeof(address), &peer, &origin);
    for (size_t at = 1; at < size;) {
        size_t piece = (size_t)data[at++] * 16 + 1;
        piece = piece < size - at ? piece : size - at;
        ssize_t sent = send(fds[1], data + at, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        at += piece;
        turn(http, fuzz, fds[1]);
        if (sent < 0) {
            break;
        }
    }
    if ((data[0] & 2) != 0) {
        shutdown(fds[1], SHUT_WR);
        turn(http, fuzz, fds[1]);
    }
    close(fds[1]);
    if ((data[0] & 4) != 0) {
        for (int i = 0; i < 4; i++) {
            gr_http_run(http);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct fuzz fuzz = {.data = 0};
    struct gr_http_config config = {
        .routes = routes, .context = &fuzz, .admit = admit, .body_max = 1000};
    struct gr_http *http = NULL;
    the_fuzz = &fuzz;
    if (gr_http_open(&config, &http, NULL) != 0) {
        abort();
    }
    play(http, &fuzz, data, size);
    gr_http_close(http);
    assert(fuzz.data == 0);
    the_fuzz = NULL;
    return 0;
}
