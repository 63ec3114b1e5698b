// What happened, as a stream: see events.h. Server-sent events, as WHATWG's HTML standard has them.
#include "daemon/events.h"

#include "base/clock.h"
#include "codec/event_bytes.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Pieces of groups that one stream may read without finding anything to send, and for how long;
// facts of a piece, and bytes of text after which it ends: a group may hold very many facts, and
// there may be many streams, whose clients read slowly.
#define PIECES_A_TURN 64
#define PIECE_FACTS 512
#define PIECE_BYTES ((size_t)64 << 10)
// Streams of one user, operators excepted: each may hold a group of the journal.
#define STREAMS_OF_USER 16
#define TURN_NS INT64_C(2000000)

// A group in memory.
struct kept {
    struct kept *next; // newer
    uint64_t first, last;
    size_t size;
    uint8_t payload[];
};

struct stream {
    struct gr_events *events;
    struct gr_http_stream *http;
    struct stream *next;
    struct gr_journal_reader *reader; // for what is older than what is kept; NULL: none open
    struct gr_journal_group old;      // what it read last
    uint64_t at;                      // sequence that is to be sent next
    uint64_t group;                   // first sequence of the group that it is in; 0: none
    size_t offset;                    // of the next fact in that group
    uid_t uid;                        // whose it is
    bool sees_all;
    uint32_t org; // else what is of this organisation
    char *text;   // made, not yet sent
    size_t size, done, room;
};

struct gr_events {
    struct gr_daemon *daemon;
    size_t most_bytes, held_bytes;
    struct kept *oldest, *newest;
    struct stream *streams;
    struct gr_event_room *scratch;
    unsigned stream_count;
    bool has_news;
};

int gr_events_open(struct gr_daemon *daemon, size_t most_bytes, struct gr_events **ret_events,
                   struct gr_err *err)
{
    struct gr_events *events = calloc(1, sizeof *events);
    struct gr_event_room *scratch = malloc(sizeof *scratch);
    if (events == NULL || scratch == NULL) {
        free(events);
        free(scratch);
        return gr_fail(err, -ENOMEM, "no memory for streams of events");
    }
    events->daemon = daemon;
    events->most_bytes = most_bytes;
    events->scratch = scratch;
    *ret_events = events;
    return 0;
}

static void drop_oldest(struct gr_events *events)
{
    struct kept *kept = events->oldest;
    events->oldest = kept->next;
    if (events->oldest == NULL) {
        events->newest = NULL;
    }
    events->held_bytes -= kept->size;
    free(kept);
}

void gr_events_close(struct gr_events *events)
{
    if (events == NULL) {
        return;
    }
    while (events->oldest != NULL) {
        drop_oldest(events);
    }
    free(events->scratch);
    free(events);
}

void gr_events_add(struct gr_events *events, const struct gr_journal_group *group)
{
    events->has_news = true;
    while (events->oldest != NULL &&
           (events->held_bytes + group->payload_size > events->most_bytes)) {
        drop_oldest(events);
    }
    struct kept *kept = group->payload_size > events->most_bytes
                            ? NULL
                            : malloc(sizeof *kept + group->payload_size);
    if (kept == NULL) { // streams read it from the journal
        while (events->oldest != NULL) {
            drop_oldest(events);
        }
        return;
    }
    *kept = (struct kept){.first = group->first, .last = group->last, .size = group->payload_size};
    memcpy(kept->payload, group->payload, group->payload_size);
    if (events->newest != NULL) {
        events->newest->next = kept;
    } else {
        events->oldest = kept;
    }
    events->newest = kept;
    events->held_bytes += kept->size;
}

void gr_events_wake(struct gr_events *events)
{
    if (!events->has_news) {
        return;
    }
    events->has_news = false;
    struct stream *next;
    for (struct stream *stream = events->streams; stream != NULL; stream = next) {
        next = stream->next;
        gr_http_stream_wake(stream->http);
    }
}

unsigned gr_events_streams(const struct gr_events *events)
{
    return events->stream_count;
}

// --- one stream

// The organisation that a fact is about; UINT32_MAX: of nobody's job, or not known any more.
static uint32_t org_of(struct gr_pool *pool, const json_t *view, const struct gr_event *event)
{
    if (event->type == GR_JOB_SUBMITTED) {
        return event->submitted.org;
    }
    if (event->type == GR_QUOTA_SET || event->type == GR_ORG_TERMS_SET) {
        return event->type == GR_QUOTA_SET ? event->quota.org : event->org_terms.org;
    }
    uint64_t id = (uint64_t)json_integer_value(json_object_get(view, "job"));
    const struct gr_job *job = id == 0 ? NULL : gr_core_job_find(pool->core, id);
    struct gr_ended ended;
    if (job != NULL || id == 0) {
        return job != NULL ? job->org : UINT32_MAX;
    }
    return gr_pool_ended_find(pool, id, &ended) ? ended.org : UINT32_MAX;
}

static bool is_for_all(const struct gr_event *event)
{
    return event->type == GR_NODE_ADDED || event->type == GR_NODE_STATE_SET ||
           event->type == GR_DEVICES_SET || event->type == GR_QUEUE_TERMS_SET ||
           event->type == GR_CLASS_SET;
}

static bool append(struct stream *stream, const struct gr_event *event, const json_t *view)
{
    char *data = json_dumps(view, JSON_COMPACT);
    if (data == NULL) {
        return false;
    }
    const char *name = gr_event_type_name(event->type);
    size_t need = strlen(data) + strlen(name) + 64;
    if (stream->room - stream->size < need) {
        size_t room = (stream->room + need) * 2;
        char *text = realloc(stream->text, room);
        if (text == NULL) {
            free(data);
            return false;
        }
        stream->text = text;
        stream->room = room;
    }
    stream->size += (size_t)snprintf(stream->text + stream->size, stream->room - stream->size,
                                     "id: %llu\nevent: %s\ndata: %s\n\n",
                                     (unsigned long long)event->sequence, name, data);
    free(data);
    return true;
}

// Makes the text of the facts of a group that the stream has not sent yet, a piece at a time.
static bool project(struct stream *stream, uint64_t first, const uint8_t *payload, size_t size)
{
    struct gr_events *events = stream->events;
    struct gr_pool *pool = events->daemon->pool;
    struct gr_view_names names = gr_view_names_of(pool->core);
    stream->size = stream->done = 0;
    if (stream->group != first) {
        stream->group = first;
        stream->offset = 0;
    }
    for (unsigned facts = 0;
         stream->offset < size && facts < PIECE_FACTS && stream->size < PIECE_BYTES; facts++) {
        struct gr_event event;
        long took = gr_event_decode(payload + stream->offset, size - stream->offset,
                                    events->scratch, &event, NULL);
        if (took <= 0) {
            return false;
        }
        stream->offset += (size_t)took;
        if (event.sequence < stream->at) {
            continue;
        }
        json_t *view = gr_view_event(&names, &event);
        bool is_seen = view != NULL && (stream->sees_all || is_for_all(&event) ||
                                        org_of(pool, view, &event) == stream->org);
        bool is_good = view != NULL && (!is_seen || append(stream, &event, view));
        json_decref(view);
        if (!is_good) {
            return false;
        }
        stream->at = event.sequence + 1;
    }
    return true;
}

// From the journal, one piece of a group at a time. Returns 1, 0 (nothing there yet), or -1.
static int project_old(struct stream *stream)
{
    struct gr_err err;
    if (stream->reader == NULL) {
        char path[GR_STATE_PATH_SIZE];
        struct gr_pool *pool = stream->events->daemon->pool;
        if (gr_state_path(pool->dir.path, "journal", path, &err) != 0 ||
            gr_journal_reader_open(path, stream->at, &stream->reader, &err) != 0) {
            return -1;
        }
    }
    // Its bytes stay where they are until the next one is read.
    struct gr_journal_group *old = &stream->old;
    if (old->last < stream->at) {
        int rc = gr_journal_reader_next(stream->reader, old, &err);
        if (rc <= 0) {
            return rc;
        }
    }
    return project(stream, old->first, old->payload, old->payload_size) ? 1 : -1;
}

// The next text. Returns 1, 0 (nothing new), or -1 (the stream ends).
static int next_text(struct stream *stream)
{
    struct gr_events *events = stream->events;
    if (stream->at > gr_commit_durable(events->daemon->pool->commit)) {
        return 0;
    }
    struct kept *kept = events->oldest;
    if (kept == NULL || stream->at < kept->first) {
        return project_old(stream);
    }
    if (stream->reader != NULL) { // it has caught up
        gr_journal_reader_close(stream->reader);
        stream->reader = NULL;
        stream->old.last = 0;
    }
    while (kept != NULL && kept->last < stream->at) {
        kept = kept->next;
    }
    return kept == NULL ? 0 : project(stream, kept->first, kept->payload, kept->size) ? 1 : -1;
}

static long read_stream(void *context, char *bytes, size_t size)
{
    struct stream *stream = context;
    int64_t until_ns = gr_clock_ns() + TURN_NS;
    // Bounded: who may see little of a long history must not hold up everybody else. Whose each
    // fact is may have to be read from the disk.
    for (unsigned pieces = 0; stream->done == stream->size; pieces++) {
        bool is_enough = pieces == PIECES_A_TURN || (pieces > 0 && gr_clock_ns() >= until_ns);
        int rc = is_enough ? 0 : next_text(stream);
        if (rc <= 0) {
            stream->events->has_news = stream->events->has_news || is_enough;
            return rc;
        }
    }
    size_t left = stream->size - stream->done;
    size_t took = left < size ? left : size;
    memcpy(bytes, stream->text + stream->done, took);
    stream->done += took;
    return (long)took;
}

static void done_stream(void *context)
{
    struct stream *stream = context;
    struct stream **at = &stream->events->streams;
    while (*at != NULL && *at != stream) {
        at = &(*at)->next;
    }
    if (*at == stream) {
        *at = stream->next;
        stream->events->stream_count--;
    }
    gr_journal_reader_close(stream->reader);
    free(stream->text);
    free(stream);
}

static unsigned streams_of(const struct gr_events *events, uid_t uid)
{
    unsigned count = 0;
    for (const struct stream *stream = events->streams; stream != NULL; stream = stream->next) {
        count += stream->uid == uid;
    }
    return count;
}

void gr_route_events(void *context, struct gr_http_request *request)
{
    struct gr_daemon *daemon = context;
    struct gr_events *events = daemon->events;
    static const char *const names[] = {"from", NULL};
    int64_t from = (int64_t)gr_core_next_sequence(daemon->pool->core);
    if (gr_daemon_query_is_wrong(request, names) ||
        !gr_daemon_query_int(request, "from", 1, INT64_MAX, &from)) {
        return;
    }
    const struct gr_identity *who = gr_daemon_who(request);
    if (!who->is_operator && streams_of(events, who->uid) >= STREAMS_OF_USER) {
        (void)gr_http_reply_header(request, "Retry-After", "10");
        gr_http_reply_error(request, 429, "too-many", "you have too many streams of events open",
                            "close some", NULL);
        return;
    }
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        gr_http_reply_error(request, 503, "unavailable", "no memory", NULL, NULL);
        return;
    }
    uint32_t user = gr_pool_user_find(daemon->pool, who->uid);
    stream->events = events;
    stream->at = (uint64_t)from;
    stream->uid = who->uid;
    stream->sees_all = who->is_operator;
    stream->org = user == UINT32_MAX ? 0 : gr_core_user_get(daemon->pool->core, user)->org;
    stream->next = events->streams;
    events->streams = stream;
    events->stream_count++;
    (void)gr_http_reply_header(request, "Cache-Control", "no-store");
    struct gr_http_source source = {.context = stream, .read = read_stream, .done = done_stream};
    stream->http = gr_http_reply_stream(request, 200, "text/event-stream", &source);
}
