// Replies without a known end: see stream.h.
#include "client/stream.h"

#include "base/number.h"
#include "client/parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Bytes kept before the connection is made to wait; curl hands over at most 16 KiB at a time.
enum { ROOM = 256 * 1024, LIMIT = ROOM + CURL_MAX_WRITE_SIZE };

struct gr_client_stream {
    struct gr_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct gr_client_buffer buffer;
    size_t taken; // bytes at the beginning of the buffer that were taken
    enum gr_client_stream_state state;
    CURLcode curl; // how it ended
    bool is_paused;
    bool is_open; // answered with 200
    int64_t offset;
};

static size_t take_body(char *bytes, size_t one, size_t count, void *context)
{
    struct gr_client_stream *stream = context;
    size_t size = one * count;
    stream->client->came++;
    if (stream->buffer.size - stream->taken > ROOM) {
        stream->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (stream->taken > 0) {
        stream->buffer.size -= stream->taken;
        memmove(stream->buffer.bytes, stream->buffer.bytes + stream->taken, stream->buffer.size);
        stream->taken = 0;
    }
    return gr_client_buffer_add(&stream->buffer, bytes, size) ? size : 0;
}

static size_t take_header(char *bytes, size_t one, size_t count, void *context)
{
    static const char name[] = "granary-log-offset:";
    struct gr_client_stream *stream = context;
    size_t size = one * count;
    if (size >= sizeof name - 1 && strncasecmp(bytes, name, sizeof name - 1) == 0) {
        struct gr_slice value = {bytes + sizeof name - 1, size - (sizeof name - 1)};
        while (value.size > 0 && strchr(" \r\n", value.text[value.size - 1]) != NULL) {
            value.size--;
        }
        while (value.size > 0 && value.text[0] == ' ') {
            value.text++;
            value.size--;
        }
        (void)gr_number_read_int(value, 0, INT64_MAX, &stream->offset);
    }
    if (size <= 2) { // the empty line: all headers are there
        long status = 0;
        curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
        stream->is_open = status >= 200 && status < 300;
        if (stream->is_open && stream->state == GR_CLIENT_STREAM_ASKED) {
            stream->state = GR_CLIENT_STREAM_OPEN;
            stream->client->came++;
        }
    }
    return size;
}

int gr_client_stream_open(struct gr_client *client, const struct gr_client_path *path,
                          struct gr_client_stream **ret_stream, struct gr_err *err)
{
    struct gr_client_stream *stream = calloc(1, sizeof *stream);
    CURL *easy = curl_easy_init();
    if (stream == NULL || easy == NULL) {
        free(stream);
        curl_easy_cleanup(easy);
        return gr_fail(err, -ENOMEM, "not enough memory for a stream");
    }
    stream->client = client;
    stream->easy = easy;
    stream->buffer.limit = LIMIT;
    int code = gr_client_prepare(client, easy, path, &stream->headers, err);
    if (code == 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, stream->headers);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, stream);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, stream);
        curl_easy_setopt(easy, CURLOPT_PRIVATE, stream);
        if (curl_multi_add_handle(client->multi, easy) != CURLM_OK) {
            code = gr_fail(err, -ENOMEM, "not enough memory for a stream");
        }
    }
    if (code < 0) {
        gr_client_stream_close(stream);
        return code;
    }
    *ret_stream = stream;
    return 0;
}

void gr_client_stream_close(struct gr_client_stream *stream)
{
    if (stream != NULL) {
        (void)curl_multi_remove_handle(stream->client->multi, stream->easy);
        curl_easy_cleanup(stream->easy);
        curl_slist_free_all(stream->headers);
        free(stream->buffer.bytes);
        free(stream);
    }
}

// Notes which transfers are over.
static void collect(struct gr_client *client)
{
    const CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        char *private = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct gr_client_stream *stream = (struct gr_client_stream *)(void *)private;
        if (message->msg == CURLMSG_DONE && stream != NULL) {
            client->came++;
            stream->curl = message->data.result;
            stream->state = stream->curl == CURLE_OK && stream->is_open ? GR_CLIENT_STREAM_ENDED
                                                                        : GR_CLIENT_STREAM_BROKEN;
        }
    }
}

int gr_client_wait(struct gr_client *client, int fd, int timeout_ms, struct gr_err *err)
{
    int running = 0;
    unsigned before = client->came;
    struct curl_waitfd extra = {.fd = fd, .events = CURL_WAIT_POLLIN};
    CURLMcode code = curl_multi_perform(client->multi, &running);
    if (code == CURLM_OK) {
        collect(client);
        // What came already must not wait for more.
        int wait_ms = client->came == before ? timeout_ms : 0;
        code = curl_multi_poll(client->multi, &extra, fd >= 0 ? 1 : 0, wait_ms, NULL);
    }
    if (code == CURLM_OK) {
        code = curl_multi_perform(client->multi, &running);
    }
    if (code != CURLM_OK) {
        return gr_fail(err, code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO, "%s: %s", client->where,
                       curl_multi_strerror(code));
    }
    collect(client);
    return 0;
}

enum gr_client_stream_state gr_client_stream_state(const struct gr_client_stream *stream)
{
    return stream->state;
}

bool gr_client_stream_is_answered(const struct gr_client_stream *stream)
{
    return stream->is_open;
}

int gr_client_stream_error(struct gr_client_stream *stream, struct gr_err *err)
{
    assert(stream->state == GR_CLIENT_STREAM_BROKEN);
    if (stream->curl != CURLE_OK) {
        return gr_client_fail_curl(stream->client, stream->curl, err);
    }
    long status = 0;
    curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
    return gr_client_fail_status(stream->client, status, gr_client_stream_bytes(stream), err);
}

struct gr_slice gr_client_stream_bytes(const struct gr_client_stream *stream)
{
    size_t size = stream->buffer.size - stream->taken;
    return (struct gr_slice){size == 0 ? "" : stream->buffer.bytes + stream->taken, size};
}

void gr_client_stream_take(struct gr_client_stream *stream, size_t size)
{
    assert(size <= stream->buffer.size - stream->taken);
    stream->taken += size;
    if (stream->is_paused && stream->buffer.size - stream->taken <= ROOM / 2) {
        stream->is_paused = false;
        (void)curl_easy_pause(stream->easy, CURLPAUSE_CONT);
    }
}

int64_t gr_client_stream_offset(const struct gr_client_stream *stream)
{
    return stream->offset;
}
