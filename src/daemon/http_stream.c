// Streams: replies without a known end. The library asks for bytes when it can send; if there are
// none, the connection is suspended until it is woken, so that a stream that has nothing to say
// costs nothing. What a client does not read is never asked for: nothing piles up here.
#include "daemon/http_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Bytes that a client of HTTP/1.0 is sent at once.
#define BLOCK_SIZE 4096

struct gr_http_stream {
    struct http_connection *connection; // NULL until it is sent
    struct gr_http_source source;
    bool is_woken;
};

struct gr_http_stream *gr_http_reply_stream(struct gr_http_request *request, unsigned status,
                                            const char *type, const struct gr_http_source *source)
{
    struct gr_http_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        request->reply.orphan = *source;
        gr_http_reply_error(request, 503, "overloaded", "no memory for the stream",
                            "try again in a moment", NULL);
        return NULL;
    }
    stream->source = *source;
    http_reply_stream(request, status, type, stream);
    return stream;
}

static ssize_t stream_read(void *context, uint64_t position, char *bytes, size_t size)
{
    struct gr_http_stream *stream = context;
    (void)position;
    if (stream->connection->is_dead) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    stream->is_woken = false;
    long got = stream->source.read(stream->source.context, bytes, size);
    assert(got <= (long)size);
    if (got < 0) {
        stream->connection->is_streaming = false;
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (got == 0 && !stream->is_woken) {
        http_connection_suspend(stream->connection);
    }
    return got;
}

static void stream_free(void *context)
{
    struct gr_http_stream *stream = context;
    if (stream->connection != NULL) {
        stream->connection->is_streaming = false;
    }
    stream->source.done(stream->source.context);
    free(stream);
}

struct MHD_Response *http_stream_response(struct gr_http_stream *stream,
                                          struct http_connection *connection)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK_SIZE, stream_read, stream, stream_free);
    if (response != NULL) {
        // The library ends even the body that a HEAD has not; without chunks there is no end.
        if (strcmp(connection->request->method, "HEAD") == 0) {
            MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
        }
        stream->connection = connection;
        connection->is_streaming = true;
    }
    return response;
}

void http_stream_drop(struct gr_http_stream *stream)
{
    stream_free(stream);
}

void gr_http_stream_wake(struct gr_http_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    stream->is_woken = true;
    if (stream->connection != NULL && stream->connection->is_streaming) {
        http_connection_resume(stream->connection);
    }
}
