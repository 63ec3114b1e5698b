// Replies: stored with the request until the library takes them, which is when all of the request
// is there; errors as JSON.
#include "base/json.h"
#include "daemon/http_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// For browsers, so on TCP only: nothing here is for keeping, guessing at, or showing inside a page.
static const char *const fixed_headers[][2] = {
    {"Cache-Control", "no-store"},
    {"X-Content-Type-Options", "nosniff"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
};

void http_reply_done(struct http_reply *reply)
{
    free(reply->body);
    reply->body = NULL;
    if (reply->stream != NULL) {
        http_stream_drop(reply->stream);
        reply->stream = NULL;
    }
    if (reply->orphan.done != NULL) {
        reply->orphan.done(reply->orphan.context);
        reply->orphan.done = NULL;
    }
    for (size_t i = 0; i < reply->header_count; i++) {
        free(reply->headers[i]);
        free(reply->values[i]);
    }
    reply->header_count = 0;
}

static bool has_header(const struct http_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        if (strcasecmp(reply->headers[i], name) == 0) {
            return true;
        }
    }
    return false;
}

// The library's response; takes the body or stream out of the reply.
static struct MHD_Response *response_make(struct gr_http_request *request)
{
    struct http_reply *reply = &request->reply;
    struct MHD_Response *response = NULL;
    if (reply->stream != NULL) {
        response = http_stream_response(reply->stream, request->connection);
        reply->stream = response != NULL ? NULL : reply->stream;
    } else {
        response =
            MHD_create_response_from_buffer_with_free_callback(reply->size, reply->body, free);
        reply->body = response != NULL ? NULL : reply->body;
    }
    if (response == NULL) {
        return NULL;
    }
    if (reply->type != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
    }
    size_t fixed_count = sizeof(fixed_headers) / sizeof(fixed_headers[0]);
    for (size_t i = 0; i < fixed_count && !request->connection->peer.is_unix; i++) {
        if (!has_header(reply, fixed_headers[i][0])) {
            MHD_add_response_header(response, fixed_headers[i][0], fixed_headers[i][1]);
        }
    }
    for (size_t i = 0; i < reply->header_count; i++) {
        MHD_add_response_header(response, reply->headers[i], reply->values[i]);
    }
    return response;
}

bool http_reply_queue(struct gr_http_request *request)
{
    struct http_connection *connection = request->connection;
    unsigned status = request->reply.status;
    request->phase = HTTP_PHASE_SENT;
    connection->deadline_ms = 0;
    struct MHD_Response *response = response_make(request);
    bool is_queued =
        response != NULL && MHD_queue_response(connection->library, status, response) == MHD_YES;
    if (response != NULL) {
        MHD_destroy_response(response);
    }
    return is_queued;
}

void http_reply_raw(struct gr_http_request *request)
{
    struct http_connection *connection = request->connection;
    struct http_reply *reply = &request->reply;
    char headers[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < reply->header_count; i++) {
        int size = snprintf(headers + used, sizeof(headers) - used, "%s: %s\r\n", reply->headers[i],
                            reply->values[i]);
        if (size < 0 || (size_t)size >= sizeof(headers) - used) {
            headers[used] = '\0';
            break;
        }
        used += (size_t)size;
    }
    if (reply->stream == NULL) {
        http_send_raw(connection->fd, reply->status,
                      reply->type == NULL ? "application/json" : reply->type, headers,
                      (struct gr_slice){reply->body, reply->size});
    }
    request->phase = HTTP_PHASE_SENT;
    connection->is_unheard = true;
    connection->is_dead = true;
}

// The reply is stored: sends it if the time has come.
static void reply_stored(struct gr_http_request *request)
{
    struct http_connection *connection = request->connection;
    if (request->is_deferred) {
        connection->http->waiting_count--;
    }
    if (request->is_in_handler || !connection->is_suspended) {
        return; // whoever called the handler sends it; or the rest of the body is swallowed first
    }
    request->is_paused = false;
    if (request->phase != HTTP_PHASE_WHOLE) {
        connection->deadline_ms =
            connection->http->now_ms + (uint64_t)connection->http->config.request_seconds * 1000;
    } else if (!http_reply_queue(request)) {
        connection->is_dead = true;
    }
    http_connection_resume(connection);
}

static void reply_begin(struct gr_http_request *request, unsigned status, const char *type)
{
    assert(status >= 200 && status <= 599);
    assert(request->reply.status == 0);
    request->reply.status = status;
    request->reply.type = type;
}

void gr_http_reply_take(struct gr_http_request *request, unsigned status, const char *type,
                        char *body, size_t size)
{
    reply_begin(request, status, type);
    request->reply.body = body;
    request->reply.size = size;
    reply_stored(request);
}

void gr_http_reply(struct gr_http_request *request, unsigned status, const char *type,
                   struct gr_slice body)
{
    char *copy = malloc(body.size + 1);
    if (copy == NULL) {
        gr_http_reply_take(request, 503, NULL, NULL, 0);
        return;
    }
    if (body.size > 0) {
        memcpy(copy, body.text, body.size);
    }
    gr_http_reply_take(request, status, type, copy, body.size);
}

void http_reply_stream(struct gr_http_request *request, unsigned status, const char *type,
                       struct gr_http_stream *stream)
{
    reply_begin(request, status, type);
    request->reply.stream = stream;
    reply_stored(request);
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

int gr_http_reply_header(struct gr_http_request *request, const char *name, const char *value)
{
    struct http_reply *reply = &request->reply;
    if (*name == '\0' || !is_printable(name) || !is_printable(value) ||
        strpbrk(name, " :") != NULL) {
        return -EINVAL;
    }
    if (reply->header_count == HTTP_REPLY_HEADERS_MAX) {
        return -ENOSPC;
    }
    char *name_copy = strdup(name);
    char *value_copy = strdup(value);
    if (name_copy == NULL || value_copy == NULL) {
        free(name_copy);
        free(value_copy);
        return -ENOMEM;
    }
    reply->headers[reply->header_count] = name_copy;
    reply->values[reply->header_count] = value_copy;
    reply->header_count++;
    return 0;
}

// The text of an error, or NULL if there is no memory.
static char *error_text(const char *code, const char *message, const char *hint, const char *field)
{
    json_t *error = json_object();
    int failed = gr_json_set_text(error, "code", gr_slice_of(code));
    failed |= gr_json_set_text(error, "message", gr_slice_of(message));
    if (hint != NULL) {
        failed |= gr_json_set_text(error, "hint", gr_slice_of(hint));
    }
    if (field != NULL) {
        failed |= gr_json_set_text(error, "field", gr_slice_of(field));
    }
    json_t *root = json_object();
    failed |= gr_json_set(root, "error", error);
    char *text = failed == 0 ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

void gr_http_reply_error(struct gr_http_request *request, unsigned status, const char *code,
                         const char *message, const char *hint, const char *field)
{
    char *text = error_text(code, message, hint, field);
    gr_http_reply_take(request, status, "application/json", text, text == NULL ? 0 : strlen(text));
}
