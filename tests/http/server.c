// A server for the hostile clients of http_test.py: routes that show how a request arrived, answer
// at once, later, line by line or as a stream, and count what became of them.
//
//     http_server --unix PATH | --address HOST:PORT [--LIMIT N ...]
//
// Prints "port N" when it listens, serves until its standard input ends, closes everything with
// requests still waiting, and prints what is left (nothing may be).
#include "daemon/http.h"

#include "base/clock.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LATER_MAX 8192

// What is owed: a reply, a resumed request, or more of a stream.
struct later {
    struct gr_http_request *request;
    struct stream *stream;
    const void *data; // of the request: when it is freed, the request is over
    uint64_t at_ms;
    bool is_pause;
};

struct stream {
    struct gr_http_stream *http;
    struct later *later;
    long left;  // chunks; -1: for ever
    long every; // milliseconds between two
    long size;  // bytes of a chunk
    bool is_due;
};

struct counts {
    unsigned requests, lines, gone, streams, streams_done, data, data_freed;
    unsigned long long line_bytes, streamed;
};

static struct counts counts;
static struct later laters[LATER_MAX];
static struct gr_http *http;

static struct later *later_add(struct gr_http_request *request, long in_ms)
{
    for (size_t i = 0; i < LATER_MAX; i++) {
        if (laters[i].request == NULL && laters[i].stream == NULL) {
            laters[i] =
                (struct later){.request = request,
                               .data = request == NULL ? NULL : gr_http_request_data(request),
                               .at_ms = (uint64_t)gr_clock_ms() + (uint64_t)in_ms};
            return &laters[i];
        }
    }
    abort();
}

static long query_number(struct gr_http_request *request, const char *name, long otherwise)
{
    struct gr_slice value;
    char text[32] = "";
    if (!gr_http_request_query(request, name, &value) || value.size >= sizeof(text)) {
        return otherwise;
    }
    memcpy(text, value.text, value.size);
    return strtol(text, NULL, 10);
}

static void data_free(void *data)
{
    counts.data_freed++;
    for (size_t i = 0; i < LATER_MAX; i++) {
        if (laters[i].data == data) {
            laters[i] = (struct later){.at_ms = 0};
        }
    }
    free(data);
}

static void data_give(struct gr_http_request *request)
{
    if (gr_http_request_data(request) == NULL) {
        counts.data++;
        gr_http_request_data_set(request, calloc(1, 16), data_free);
    }
}

static void hello(void *context, struct gr_http_request *request)
{
    (void)context;
    counts.requests++;
    data_give(request);
    gr_http_reply_header(request, "X-Test", "hello");
    gr_http_reply_header(request, "cache-control", "no-store");
    assert(gr_http_reply_header(request, "X-Bad", "a\r\nb: c") == -22);
    gr_http_reply(request, 200, "application/json", gr_slice_of("{\"hello\": true}\n"));
}

static void show_pair(void *context, struct gr_slice name, struct gr_slice value)
{
    fprintf(context, "%.*s=%.*s\n", (int)name.size, name.text, (int)value.size, value.text);
}

// Everything about the request, as text.
static void show(void *context, struct gr_http_request *request)
{
    (void)context;
    counts.requests++;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    struct gr_slice method = gr_http_request_method(request);
    struct gr_slice path = gr_http_request_path(request);
    struct gr_slice id = gr_http_request_param(request, "id");
    struct gr_slice name = gr_http_request_param(request, "name");
    struct gr_slice body = gr_http_request_body(request);
    const struct gr_http_peer *peer = gr_http_request_peer(request);
    fprintf(file, "%.*s %.*s\nid=%.*s\nname=%.*s\nunix=%d uid=%ld\nbody=%zu\n", (int)method.size,
            method.text, (int)path.size, path.text, (int)id.size, id.text, (int)name.size,
            name.text, peer->is_unix, peer->is_unix ? (long)peer->uid : -1, body.size);
    gr_http_request_query_each(request, show_pair, file);
    fclose(file);
    gr_http_reply_take(request, 200, "text/plain", text, size);
}

static void echo(void *context, struct gr_http_request *request)
{
    (void)context;
    counts.requests++;
    gr_http_reply(request, 200, "application/octet-stream", gr_http_request_body(request));
}

static void went(struct gr_http_request *request)
{
    (void)request;
    counts.gone++;
}

static void later_route(void *context, struct gr_http_request *request)
{
    (void)context;
    counts.requests++;
    data_give(request);
    gr_http_request_defer(request, went);
    later_add(request, query_number(request, "ms", 10));
}

// Takes lines; pauses after every `pause` of them, stops at `stop`.
static bool line(void *context, struct gr_http_request *request, struct gr_slice text)
{
    (void)context;
    data_give(request);
    unsigned *count = gr_http_request_data(request);
    counts.lines++;
    counts.line_bytes += text.size;
    *count += 1;
    long pause = query_number(request, "pause", 0);
    if (pause > 0 && *count % (unsigned)pause == 0) {
        gr_http_request_pause(request);
        later_add(request, query_number(request, "ms", 1))->is_pause = true;
    }
    return *count != (unsigned)query_number(request, "stop", 0);
}

static void lines_end(void *context, struct gr_http_request *request)
{
    (void)context;
    counts.requests++;
    data_give(request);
    if (query_number(request, "defer", 0) > 0) {
        gr_http_request_defer(request, went);
        later_add(request, query_number(request, "defer", 0));
        return;
    }
    char text[64];
    snprintf(text, sizeof(text), "lines=%u\n", *(unsigned *)gr_http_request_data(request));
    gr_http_reply(request, 200, "text/plain", gr_slice_of(text));
}

static long stream_read(void *context, char *bytes, size_t size)
{
    struct stream *stream = context;
    if (stream->every > 0 && !stream->is_due) {
        return 0;
    }
    if (stream->left == 0) {
        return -1;
    }
    stream->is_due = false;
    long given = stream->size < (long)size ? stream->size : (long)size;
    memset(bytes, 'x', (size_t)given);
    bytes[given - 1] = '\n';
    stream->left -= stream->left > 0;
    counts.streamed += (unsigned long long)given;
    return given;
}

static void stream_done(void *context)
{
    struct stream *stream = context;
    counts.streams_done++;
    if (stream->later != NULL) {
        *stream->later = (struct later){.at_ms = 0};
    }
    free(stream);
}

static void stream_route(void *context, struct gr_http_request *request)
{
    (void)context;
    counts.requests++;
    counts.streams++;
    struct stream *stream = calloc(1, sizeof(*stream));
    stream->left = query_number(request, "count", -1);
    stream->every = query_number(request, "ms", 0);
    stream->size = query_number(request, "size", 16);
    if (stream->every > 0) {
        stream->later = later_add(NULL, stream->every);
        stream->later->stream = stream;
    }
    struct gr_http_source source = {stream, stream_read, stream_done};
    stream->http = gr_http_reply_stream(request, 200, "text/event-stream", &source);
}

static void count_show(void *context, struct gr_http_request *request)
{
    (void)context;
    char text[512];
    snprintf(text, sizeof(text),
             "{\"requests\":%u,\"lines\":%u,\"line_bytes\":%llu,\"gone\":%u,\"streams\":%u,"
             "\"streams_done\":%u,\"streamed\":%llu,\"data\":%u,\"data_freed\":%u,"
             "\"connections\":%u,\"waiting\":%u}",
             counts.requests, counts.lines, counts.line_bytes, counts.gone, counts.streams,
             counts.streams_done, counts.streamed, counts.data, counts.data_freed,
             gr_http_connections(http), gr_http_waiting(http));
    gr_http_reply(request, 200, "application/json", gr_slice_of(text));
}

static void silent(void *context, struct gr_http_request *request)
{
    (void)context;
    (void)request;
}

static int admit(void *context, struct gr_http_request *request, struct gr_err *err)
{
    (void)context;
    const struct gr_http_peer *peer = gr_http_request_peer(request);
    if (peer->is_unix || gr_slice_is(peer->token, "the-token")) {
        gr_http_request_user_set(request, "somebody");
        return 0;
    }
    if (gr_slice_is(peer->token, "the-other-token")) {
        gr_fail(err, -1, "you are known, and not let in");
        return 403;
    }
    gr_fail(err, -1, "say who you are");
    return 401;
}

static const struct gr_http_route routes[] = {
    {"GET", "/health", hello, NULL, true},
    {"GET", "/hello", hello, NULL, false},
    {"GET", "/count", count_show, NULL, true},
    {"GET", "/show/{id}", show, NULL, false},
    {"POST", "/show/{id}", show, NULL, false},
    {"GET", "/show/{id}/of/{name}", show, NULL, false},
    {"POST", "/echo", echo, NULL, false},
    {"GET", "/later", later_route, NULL, false},
    {"POST", "/later", later_route, NULL, false},
    {"POST", "/lines", lines_end, line, false},
    {"GET", "/stream", stream_route, NULL, false},
    {"GET", "/silent", silent, NULL, false},
    {NULL, NULL, NULL, NULL, false},
};

// Does what is owed; returns the milliseconds until the next, -1: nothing.
static int laters_run(void)
{
    uint64_t now = (uint64_t)gr_clock_ms();
    int next = -1;
    for (size_t i = 0; i < LATER_MAX; i++) {
        struct later *later = &laters[i];
        if (later->request == NULL && later->stream == NULL) {
            continue;
        }
        if (later->at_ms > now) {
            int left = (int)(later->at_ms - now);
            next = next < 0 || left < next ? left : next;
            continue;
        }
        if (later->stream != NULL) {
            later->stream->is_due = true;
            later->at_ms = now + (uint64_t)later->stream->every;
            next = next < 0 || later->stream->every < next ? (int)later->stream->every : next;
            gr_http_stream_wake(later->stream->http);
            continue;
        }
        struct later due = *later;
        *later = (struct later){.at_ms = 0};
        if (due.is_pause) {
            gr_http_request_resume(due.request);
        } else {
            gr_http_reply(due.request, 200, "text/plain", gr_slice_of("later\n"));
        }
    }
    return next;
}

static bool options_read(int argc, char **argv, struct gr_http_config *config)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned number = (unsigned)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--unix") == 0) {
            config->unix_path = argv[i + 1];
        } else if (strcmp(argv[i], "--address") == 0) {
            config->address = argv[i + 1];
        } else if (strcmp(argv[i], "--body") == 0) {
            config->body_max = number;
        } else if (strcmp(argv[i], "--bodies") == 0) {
            config->bodies_max = number;
        } else if (strcmp(argv[i], "--connections") == 0) {
            config->connections_max = number;
        } else if (strcmp(argv[i], "--waiting") == 0) {
            config->waiting_max = number;
        } else if (strcmp(argv[i], "--each") == 0) {
            config->per_address_max = number;
        } else if (strcmp(argv[i], "--idle") == 0) {
            config->idle_seconds = number;
        } else if (strcmp(argv[i], "--request") == 0) {
            config->request_seconds = number;
        } else {
            return false;
        }
    }
    return config->unix_path != NULL || config->address != NULL;
}

static void serve(void)
{
    for (;;) {
        int due = gr_http_run(http);
        int next = laters_run();
        due = next >= 0 && (due < 0 || next < due) ? next : due;
        struct pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {gr_http_fd(http), POLLIN, 0}};
        poll(fds, 2, due);
        if (fds[0].revents != 0) {
            return;
        }
    }
}

int main(int argc, char **argv)
{
    static const char *const hosts[] = {"pool.example", NULL};
    struct gr_http_config config = {.routes = routes, .admit = admit, .hosts = hosts};
    struct gr_err err;
    gr_err_init(&err);
    if (!options_read(argc, argv, &config)) {
        fprintf(stderr, "usage: http_server --unix PATH | --address HOST:PORT [--LIMIT N ...]\n");
        return 2;
    }
    if (gr_http_open(&config, &http, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("port %u\n", gr_http_port(http));
    fflush(stdout);
    serve();
    gr_http_close(http);
    printf("streams %u done %u, data %u freed %u\n", counts.streams, counts.streams_done,
           counts.data, counts.data_freed);
    return counts.streams == counts.streams_done && counts.data == counts.data_freed ? 0 : 1;
}
