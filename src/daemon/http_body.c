// Bodies: gathered whole up to the limit, or handed out line by line. Whatever is not wanted any
// more is swallowed, up to a limit of its own, so that the client sees the reply and not a reset.
#include "daemon/http_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Room that a body begins with.
#define ROOM_MIN 1024

// Appends to the gathered bytes. False: no memory, or the bodies of all requests have their share.
static bool gather(struct gr_http_request *request, const char *bytes, size_t size)
{
    if (request->body_room - request->body_size < size) {
        size_t room = request->body_room < ROOM_MIN ? ROOM_MIN : request->body_room;
        while (room - request->body_size < size) {
            room *= 2;
        }
        struct gr_http *http = request->connection->http;
        size_t more = room - request->body_room;
        bool has_share = http->config.bodies_max - http->bodies_size >= more;
        char *grown = has_share ? realloc(request->body, room) : NULL;
        if (grown == NULL) {
            return false;
        }
        http->bodies_size += more;
        request->body = grown;
        request->body_room = room;
    }
    memcpy(request->body + request->body_size, bytes, size);
    request->body_size += size;
    return true;
}

static void refuse_memory(struct gr_http_request *request)
{
    gr_http_reply_header(request, "Retry-After", "1");
    gr_http_reply_error(request, 503, "overloaded", "no memory for the body",
                        "try again in a moment", NULL);
}

static size_t swallow(struct gr_http_request *request, size_t size)
{
    if (request->swallowed < HTTP_SWALLOW_MAX) {
        request->swallowed += size;
        return size;
    }
    if (request->reply.status == 0) {
        return 0; // waits for the reply before it gives up
    }
    http_reply_raw(request);
    return size;
}

static size_t body_gather(struct gr_http_request *request, const char *bytes, size_t size)
{
    size_t limit = request->connection->http->config.body_max;
    if (limit - request->body_size < size) {
        char text[96];
        snprintf(text, sizeof(text), "the body is longer than %zu bytes", limit);
        gr_http_reply_error(request, 413, "too-large", text, NULL, NULL);
    } else if (!gather(request, bytes, size)) {
        refuse_memory(request);
    }
    return size;
}

static void line_too_long(struct gr_http_request *request)
{
    char text[160];
    snprintf(text, sizeof(text),
             "line %llu is longer than %zu bytes; the lines before it were taken",
             (unsigned long long)request->line_count + 1, GR_HTTP_LINE_MAX);
    gr_http_reply_error(request, 413, "too-large", text, NULL, NULL);
}

// Hands out one line; false: it was the last that is wanted.
static bool line_give(struct gr_http_request *request, const char *text, size_t size)
{
    void *context = request->connection->http->config.context;
    if (size > 0 && text[size - 1] == '\r') {
        size--;
    }
    request->line_count++;
    bool goes_on = request->route->line(context, request, (struct gr_slice){text, size});
    if (!goes_on && request->reply.status == 0) {
        request->is_handled = true;
        request->route->handle(context, request);
    }
    return goes_on && request->reply.status == 0;
}

// Takes one piece of a line, the rest of it, or a line; returns how many bytes.
static size_t line_take(struct gr_http_request *request, const char *bytes, size_t size)
{
    const char *end = memchr(bytes, '\n', size);
    size_t piece = end == NULL ? size : (size_t)(end - bytes);
    if (request->body_size + piece > GR_HTTP_LINE_MAX + 1 ||
        (request->body_size + piece == GR_HTTP_LINE_MAX + 1 && end != NULL &&
         (piece > 0 ? bytes[piece - 1] : request->body[request->body_size - 1]) != '\r')) {
        line_too_long(request);
        return size;
    }
    if (end != NULL && request->body_size == 0) {
        line_give(request, bytes, piece);
    } else if (!gather(request, bytes, piece)) {
        refuse_memory(request);
    } else if (end != NULL) {
        size_t whole = request->body_size;
        request->body_size = 0;
        line_give(request, request->body, whole);
    }
    return piece + (end != NULL);
}

static bool takes_lines(const struct gr_http_request *request)
{
    return request->reply.status == 0 && !request->is_handled;
}

size_t http_body_take(struct gr_http_request *request, const char *bytes, size_t size)
{
    if (!takes_lines(request)) {
        return swallow(request, size);
    }
    if (!request->takes_lines) {
        return body_gather(request, bytes, size);
    }
    size_t taken = 0;
    while (taken < size && !request->is_paused && takes_lines(request)) {
        taken += line_take(request, bytes + taken, size - taken);
    }
    if (taken < size && !takes_lines(request)) {
        taken += swallow(request, size - taken);
    }
    return taken;
}

void http_body_end(struct gr_http_request *request)
{
    if (request->body_size == 0 || request->is_handled) {
        return;
    }
    size_t size = request->body_size;
    request->body_size = 0;
    if (size > GR_HTTP_LINE_MAX && request->body[size - 1] != '\r') {
        line_too_long(request);
    } else {
        line_give(request, request->body, size);
    }
}
