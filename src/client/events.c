// Events of the pool: see events.h.
#include "client/events.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "client/parts.h"
#include "client/path.h"
#include "client/sse.h"
#include "client/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Pauses before a broken connection is made again.
enum { PAUSE_FIRST_MS = 50, PAUSE_MOST_MS = 5000 };

struct gr_client_events {
    struct gr_client *client;
    struct gr_client_stream *stream; // NULL while waiting for the next try
    struct gr_client_sse *sse;
    json_t *data; // of the event given out last
    char type[GR_CLIENT_SSE_NAME];
    int64_t from; // what to ask for next; negative: only what comes
    int pause_ms; // before the next try
    int64_t again_at_ms;
    unsigned connects;
    bool is_counted; // the connection that is there was counted
};

static int ask(struct gr_client_events *events, struct gr_err *err)
{
    struct gr_client_path path;
    gr_client_path_init(&path, "/v1/events");
    if (events->from >= 0) {
        gr_client_path_query_int(&path, "from", events->from);
    }
    events->is_counted = false;
    gr_client_sse_restart(events->sse);
    return gr_client_stream_open(events->client, &path, &events->stream, err);
}

int gr_client_events_open(struct gr_client *client, int64_t from,
                          struct gr_client_events **ret_events, struct gr_err *err)
{
    struct gr_client_events *events = calloc(1, sizeof *events);
    struct gr_client_sse *sse = gr_client_sse_new();
    if (events == NULL || sse == NULL) {
        free(events);
        gr_client_sse_free(sse);
        return gr_fail(err, -ENOMEM, "not enough memory for events");
    }
    *events = (struct gr_client_events){
        .client = client, .sse = sse, .from = from, .pause_ms = PAUSE_FIRST_MS};
    int code = ask(events, err);
    if (code < 0) {
        gr_client_events_close(events);
        return code;
    }
    *ret_events = events;
    return 0;
}

void gr_client_events_close(struct gr_client_events *events)
{
    if (events != NULL) {
        gr_client_stream_close(events->stream);
        gr_client_sse_free(events->sse);
        json_decref(events->data);
        free(events);
    }
}

static void count_connection(struct gr_client_events *events)
{
    if (events->stream != NULL && !events->is_counted &&
        gr_client_stream_is_answered(events->stream)) {
        events->is_counted = true;
        events->connects++;
    }
}

// Closes what broke and sets the time of the next try; or says why there is none.
static int retire(struct gr_client_events *events, struct gr_err *err)
{
    if (gr_client_stream_state(events->stream) == GR_CLIENT_STREAM_BROKEN) {
        int code = gr_client_stream_error(events->stream, err);
        long status = events->client->answer.status;
        bool was_there = events->connects > 0 || gr_client_was_there(events->client);
        // A daemon that is being started anew refuses connections for a while, or is not ready.
        if ((status != 0 && status != 503) || (status == 0 && !was_there)) {
            return code;
        }
    }
    gr_client_stream_close(events->stream);
    events->stream = NULL;
    events->again_at_ms = gr_clock_ms() + events->pause_ms;
    events->pause_ms = events->pause_ms * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : events->pause_ms * 2;
    return 0;
}

static int take_event(struct gr_client_events *events, const struct gr_client_sse_event *got,
                      struct gr_client_event *ret_event, struct gr_err *err)
{
    json_error_t wrong;
    json_decref(events->data);
    events->data = json_loadb(got->data.text, got->data.size, JSON_REJECT_DUPLICATES, &wrong);
    if (!json_is_object(events->data)) {
        return gr_client_fail_reply(events->client, err,
                                    events->data == NULL ? wrong.text : "an event is no object");
    }
    size_t size = 0;
    for (const char *c = got->name; *c != '\0' && size + 1 < sizeof events->type; c++) {
        events->type[size++] = *c >= ' ' && *c <= '~' ? *c : '?';
    }
    events->type[size] = '\0';
    if (got->has_id && got->id < INT64_MAX) {
        events->from = (int64_t)got->id + 1;
    }
    events->pause_ms = PAUSE_FIRST_MS;
    *ret_event = (struct gr_client_event){
        .sequence = got->has_id ? got->id : 0, .type = events->type, .data = events->data};
    return 1;
}

int gr_client_events_next(struct gr_client_events *events, struct gr_client_event *ret_event,
                          struct gr_err *err)
{
    count_connection(events);
    if (events->stream == NULL ||
        gr_client_stream_state(events->stream) == GR_CLIENT_STREAM_ASKED) {
        return 0;
    }
    if (gr_client_stream_state(events->stream) == GR_CLIENT_STREAM_BROKEN && !events->is_counted) {
        return retire(events, err); // its bytes are those of an error, not events
    }
    struct gr_slice bytes = gr_client_stream_bytes(events->stream);
    struct gr_client_sse_event got;
    size_t used = 0;
    int code = gr_client_sse_feed(events->sse, bytes, &used, &got);
    if (code < 0) {
        return gr_client_fail_reply(events->client, err, "an event is too long");
    }
    if (code == 1) {
        code = take_event(events, &got, ret_event, err);
    }
    gr_client_stream_take(events->stream, used);
    if (code == 0 && gr_client_stream_state(events->stream) != GR_CLIENT_STREAM_OPEN &&
        gr_client_stream_bytes(events->stream).size == 0) {
        code = retire(events, err);
    }
    return code;
}

int gr_client_events_wait(struct gr_client_events *events, int fd, int timeout_ms,
                          struct gr_err *err)
{
    if (events->stream == NULL) {
        int64_t left = events->again_at_ms - gr_clock_ms();
        if (left <= 0) {
            int code = ask(events, err);
            if (code < 0) {
                return code;
            }
        } else if (left < timeout_ms) {
            timeout_ms = (int)left;
        }
    }
    return gr_client_wait(events->client, fd, timeout_ms, err);
}

unsigned gr_client_events_connects(const struct gr_client_events *events)
{
    return events->connects;
}

bool gr_client_events_is_connected(const struct gr_client_events *events)
{
    return events->stream != NULL && events->is_counted;
}
