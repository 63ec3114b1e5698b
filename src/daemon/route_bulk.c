// Submissions of many lines: one spec a line, one answer a line, in order. See daemon.h, docs/api.
//
// Each line is decided as it comes; one that is wrong does not stop the others. The answers are
// sent together when all of them are durable. When too much waits for the disk, no more is read.
#include "daemon/daemon.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Most bytes of answers kept for one request, and for all: lines are short and answers may be long,
// and nobody may fill the memory with them. One request has room for some two million lines.
#define ANSWERS_MAX ((size_t)128 << 20)
#define ANSWERS_ALL_MAX ((size_t)512 << 20)
// How long lines of all requests are decided in one turn of the loop: others are served between.
#define TURN_NS INT64_C(5000000)

struct gr_bulk {
    struct gr_daemon *daemon;
    struct gr_http_request *request;
    char *text; // the answers so far
    size_t size, room;
    uint64_t line;
    int64_t until_ns;                // its share of this turn ends then; 0: it has not begun
    uint8_t key[32];                 // of the request; each line has its own, made from it
    bool has_key, is_dry, is_broken; // broken: no memory
};

void gr_bulk_free(struct gr_bulk *bulk)
{
    if (bulk == NULL) {
        return;
    }
    struct gr_daemon *daemon = bulk->daemon;
    for (size_t i = 0; i < daemon->paused_count; i++) {
        if (daemon->paused[i] == bulk->request) { // its client went away while it waited
            daemon->paused[i--] = daemon->paused[--daemon->paused_count];
        }
    }
    daemon->answers_bytes -= bulk->room;
    daemon->bulk_count--;
    free(bulk->text);
    free(bulk);
}

static bool bulk_reserve(struct gr_bulk *bulk, size_t size)
{
    if (bulk->room - bulk->size >= size) {
        return true;
    }
    size_t room = bulk->room == 0 ? 65536 : bulk->room * 2;
    while (room - bulk->size < size) {
        room *= 2;
    }
    struct gr_daemon *daemon = bulk->daemon;
    size_t more = room - bulk->room;
    bool has_share = room <= ANSWERS_MAX && daemon->answers_bytes + more <= ANSWERS_ALL_MAX;
    char *text = has_share ? realloc(bulk->text, room) : NULL;
    if (text == NULL) {
        bulk->is_broken = true;
        return false;
    }
    daemon->answers_bytes += more;
    bulk->text = text;
    bulk->room = room;
    return true;
}

static void answer_refusal(struct gr_bulk *bulk, const struct gr_pool_refusal *refusal)
{
    json_t *object = json_object();
    json_t *error = json_object();
    int rc = gr_json_set_int(object, "line", (int64_t)bulk->line);
    rc |= gr_json_set_text(error, "code", gr_slice_of(refusal->code));
    rc |= gr_json_set_text(error, "message", gr_slice_of(refusal->text));
    if (refusal->hint[0] != '\0') {
        rc |= gr_json_set_text(error, "hint", gr_slice_of(refusal->hint));
    }
    if (refusal->field != NULL) {
        rc |= gr_json_set_text(error, "field", gr_slice_of(refusal->field));
    }
    rc |= gr_json_set(object, "error", error);
    char *text = rc == 0 ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    size_t size = text == NULL ? 0 : strlen(text);
    if (text != NULL && bulk_reserve(bulk, size + 1)) {
        memcpy(bulk->text + bulk->size, text, size);
        bulk->text[bulk->size + size] = '\n';
        bulk->size += size + 1;
    } else {
        bulk->is_broken = true;
    }
    free(text);
}

static void answer_done(struct gr_bulk *bulk, const struct gr_pool_submitted *done,
                        bool is_replayed)
{
    if (!bulk_reserve(bulk, 160)) {
        return;
    }
    char *at = bulk->text + bulk->size;
    int size =
        done->count == 1
            ? snprintf(at, 160, "{\"line\":%llu,\"id\":%llu%s}\n", (unsigned long long)bulk->line,
                       (unsigned long long)done->first, is_replayed ? ",\"replayed\":true" : "")
            : snprintf(at, 160, "{\"line\":%llu,\"id\":%llu,\"last\":%llu,\"count\":%u%s}\n",
                       (unsigned long long)bulk->line, (unsigned long long)done->first,
                       (unsigned long long)done->last, done->count,
                       is_replayed ? ",\"replayed\":true" : "");
    bulk->size += (size_t)size;
}

// The first line: what the whole request says. NULL: a reply was made.
static struct gr_bulk *bulk_begin(struct gr_daemon *daemon, struct gr_http_request *request)
{
    static const char *const names[] = {"dry_run", NULL};
    bool is_good;
    struct gr_bulk *bulk = calloc(1, sizeof *bulk);
    if (bulk == NULL) {
        gr_http_reply_error(request, 503, "unavailable", "no memory", NULL, NULL);
        return NULL;
    }
    bulk->daemon = daemon;
    bulk->request = request;
    daemon->bulk_count++;
    int has_key = -1;
    if (!gr_daemon_query_is_wrong(request, names)) {
        bulk->is_dry = gr_daemon_query_flag(request, "dry_run", &is_good);
        has_key = is_good ? gr_daemon_key(daemon, request, bulk->key) : -1;
    }
    if (has_key < 0) {
        gr_bulk_free(bulk);
        return NULL;
    }
    bulk->has_key = has_key > 0;
    return bulk;
}

// Each line has a key of its own, from the request's, its number and its bytes: what was done
// before a connection broke is not done again.
static void line_key(const struct gr_bulk *bulk, struct gr_slice line, uint8_t ret_key[32])
{
    uint8_t digest[GR_HASH_SIZE];
    struct gr_hash hash;
    gr_hash_init(&hash);
    gr_hash_add(&hash, bulk->key, 16);
    gr_hash_add(&hash, &bulk->line, sizeof bulk->line);
    gr_hash_end(&hash, digest);
    memcpy(ret_key, digest, 16);
    gr_hash_init(&hash);
    gr_hash_add(&hash, line.text, line.size);
    gr_hash_end(&hash, digest);
    memcpy(ret_key + 16, digest, 16);
}

static void decide_line(struct gr_daemon *daemon, struct gr_http_request *request,
                        struct gr_bulk *bulk, struct gr_slice line)
{
    struct gr_pool_refusal refusal = {0};
    struct gr_pool_submitted done;
    struct gr_spec spec;
    uint8_t key[32];
    const char *text;
    if (bulk->has_key) {
        line_key(bulk, line, key);
        int found = gr_pool_key_find(daemon->pool, key, &done);
        if (found > 0) {
            answer_done(bulk, &done, true);
            return;
        }
        if (found < 0) {
            refusal.code = "conflict";
            snprintf(refusal.text, sizeof refusal.text,
                     "this line of this Idempotency-Key was another one before");
            answer_refusal(bulk, &refusal);
            return;
        }
    }
    bool starts;
    bool has_places;
    bool is_done = gr_route_spec_read(daemon, request, line, &spec, &refusal);
    if (is_done && bulk->is_dry) {
        is_done = gr_pool_submit_try(daemon->pool, &spec, &starts, &has_places, &refusal);
        done = (struct gr_pool_submitted){.count = 1};
    } else if (is_done && gr_commit_is_full(daemon->pool->commit)) {
        (void)gr_pool_refuses(daemon->pool, &refusal.code, &text);
        snprintf(refusal.text, sizeof refusal.text, "%s", text);
        is_done = false;
    } else if (is_done) {
        is_done = gr_pool_submit(daemon->pool, &spec, bulk->has_key ? key : NULL, &done, &refusal);
    }
    if (is_done) {
        answer_done(bulk, &done, false);
    } else {
        answer_refusal(bulk, &refusal);
    }
}

// Whether the request has used up its share of what lines may take of a turn.
static bool is_turn_over(struct gr_bulk *bulk)
{
    int64_t now_ns = gr_clock_ns();
    if (bulk->until_ns == 0) {
        bulk->until_ns = now_ns + TURN_NS / bulk->daemon->bulk_count;
    }
    return now_ns >= bulk->until_ns;
}

// Until the disk has taken what waits, or at least until the next turn.
static void wait_a_turn(struct gr_daemon *daemon, struct gr_http_request *request)
{
    if (daemon->paused_count == daemon->paused_room) {
        size_t room = daemon->paused_room == 0 ? 64 : daemon->paused_room * 2;
        struct gr_http_request **paused =
            realloc(daemon->paused, room * sizeof(struct gr_http_request *));
        if (paused == NULL) {
            return; // it goes on; what waits is bounded by the connections then
        }
        daemon->paused = paused;
        daemon->paused_room = room;
    }
    daemon->paused[daemon->paused_count++] = request;
    gr_http_request_pause(request);
}

bool gr_route_submit_line(void *context, struct gr_http_request *request, struct gr_slice line)
{
    struct gr_daemon *daemon = context;
    struct gr_caller *caller = gr_http_request_data(request);
    if (caller->bulk == NULL) {
        caller->bulk = bulk_begin(daemon, request);
        if (caller->bulk == NULL) {
            return false;
        }
    }
    struct gr_bulk *bulk = caller->bulk;
    bulk->line++;
    size_t blank = 0;
    while (blank < line.size && (line.text[blank] == ' ' || line.text[blank] == '\r')) {
        blank++;
    }
    if (blank < line.size) { // an empty line has a number and no answer
        decide_line(daemon, request, bulk, line);
    }
    const char *code;
    const char *text;
    if (gr_pool_refuses(daemon->pool, &code, &text) == 503 || is_turn_over(bulk)) {
        bulk->until_ns = 0;
        wait_a_turn(daemon, request);
    }
    return !bulk->is_broken;
}

void gr_route_submit_resume(struct gr_daemon *daemon)
{
    const char *code;
    const char *text;
    if (daemon->paused_count == 0 || gr_pool_refuses(daemon->pool, &code, &text) != 0) {
        return;
    }
    size_t count = daemon->paused_count;
    daemon->paused_count = 0;
    for (size_t i = 0; i < count; i++) {
        gr_http_request_resume(daemon->paused[i]);
    }
}

void gr_route_submit_end(struct gr_daemon *daemon, struct gr_http_request *request)
{
    struct gr_caller *caller = gr_http_request_data(request);
    struct gr_bulk *bulk = caller->bulk;
    assert(bulk != NULL);
    if (bulk->is_broken) {
        gr_http_reply_error(request, 503, "unavailable",
                            "no memory for the answers; the lines before were taken",
                            "send it again with the same Idempotency-Key", NULL);
        return;
    }
    char *text = bulk->text == NULL ? strdup("") : bulk->text;
    size_t size = bulk->size;
    bulk->text = NULL;
    gr_daemon_reply_text(daemon, request, 200, "application/x-ndjson", text, size);
}
