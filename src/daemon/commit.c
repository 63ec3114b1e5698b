// Group commit: see commit.h. Two groups: one gathers, one is on its way.
#include "daemon/commit.h"

#include "base/clock.h"
#include "codec/event_bytes.h"
#include "daemon/aside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A group that has as many bytes is not held back: more would not make it much cheaper.
#define GATHERED_BYTES ((size_t)32 << 10)

struct bytes {
    uint8_t *at;
    size_t size, room;
};

struct then {
    void (*run)(void *context, uint64_t value);
    void *context;
    uint64_t value;
};

struct group {
    struct bytes payload, aside;
    uint64_t first, last;
    uint32_t epoch;
    struct then *thens;
    size_t then_count, then_room;
};

struct gr_commit {
    struct gr_journal *journal;
    struct gr_commit_watcher watcher;
    struct group groups[2];
    struct group *gathering, *sending; // sending: NULL while nothing is on its way
    uint64_t durable;                  // sequence
    uint64_t group_count, byte_count;
    bool is_full;
    bool is_sent;     // the sending group is in the journal's hands
    bool is_held;     // the gathering group could be sent, but for apart_ns
    int64_t again_ms; // monotonic; a disk that was full is not tried again before
    int64_t apart_ns; // gr_commit_gather
    int64_t done_ns;  // monotonic, when a group became durable last; 0: nobody wants to know
    int broken;       // lack of memory: final
};

int gr_commit_open(struct gr_journal *journal, const struct gr_commit_watcher *watcher,
                   struct gr_commit **ret_commit, struct gr_err *err)
{
    assert(journal != NULL && ret_commit != NULL);
    struct gr_commit *commit = calloc(1, sizeof *commit);
    if (commit == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the journal's groups");
    }
    commit->journal = journal;
    if (watcher != NULL) {
        commit->watcher = *watcher;
    }
    commit->gathering = &commit->groups[0];
    commit->durable = gr_journal_tip_get(journal).sequence;
    *ret_commit = commit;
    return 0;
}

void gr_commit_close(struct gr_commit *commit)
{
    if (commit == NULL) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        free(commit->groups[i].payload.at);
        free(commit->groups[i].aside.at);
        free(commit->groups[i].thens);
    }
    free(commit);
}

// Makes room for `size` further bytes; false: no memory, and the commit is broken for good.
static bool reserve(struct gr_commit *commit, struct bytes *bytes, size_t size)
{
    size_t need = bytes->size + size;
    if (need <= bytes->room) {
        return true;
    }
    size_t room = bytes->room < 65536 ? 65536 : bytes->room;
    while (room < need) {
        room *= 2;
    }
    uint8_t *at = realloc(bytes->at, room);
    if (at == NULL) {
        commit->broken = -ENOMEM;
        return false;
    }
    bytes->at = at;
    bytes->room = room;
    return true;
}

void gr_commit_fact(struct gr_commit *commit, const struct gr_event *event)
{
    assert(commit != NULL && event != NULL);
    struct group *group = commit->gathering;
    size_t guess = 512 + 24 * (size_t)event->piece_count;
    guess += 64 * (size_t)event->item_count + 16 * (size_t)event->edge_count +
             (event->mask != NULL ? 2 * sizeof *event->mask : 0);
    if (!reserve(commit, &group->payload, guess)) {
        return;
    }
    long took = gr_event_encode(event, group->payload.at + group->payload.size,
                                group->payload.room - group->payload.size);
    assert(took > 0);
    group->payload.size += (size_t)took;
    if (group->first == 0) {
        group->first = event->sequence;
    }
    assert(group->last == 0 || event->sequence == group->last + 1);
    group->last = event->sequence;
    group->epoch = event->epoch;
}

void gr_commit_aside(struct gr_commit *commit, uint64_t sequence, const void *bytes, size_t size)
{
    assert(commit != NULL && bytes != NULL && sequence != 0);
    struct bytes *aside = &commit->gathering->aside;
    if (reserve(commit, aside, size + GR_ASIDE_HEADER_BYTES)) {
        aside->size += gr_aside_write(aside->at + aside->size, sequence, bytes, size);
    }
}

static bool is_clean(const struct gr_commit *commit)
{
    return commit->sending == NULL && commit->gathering->payload.size == 0;
}

void gr_commit_then(struct gr_commit *commit, void (*then)(void *context, uint64_t value),
                    void *context, uint64_t value)
{
    assert(commit != NULL && then != NULL);
    if (is_clean(commit)) {
        then(context, value);
        return;
    }
    // Nothing gathers, but the group before is on its way: it is enough to wait for that one.
    struct group *group =
        commit->gathering->payload.size == 0 ? commit->sending : commit->gathering;
    if (group->then_count == group->then_room) {
        size_t room = group->then_room == 0 ? 1024 : group->then_room * 2;
        struct then *thens = realloc(group->thens, room * sizeof *thens);
        if (thens == NULL) {
            commit->broken = -ENOMEM;
            return;
        }
        group->thens = thens;
        group->then_room = room;
    }
    group->thens[group->then_count++] =
        (struct then){.run = then, .context = context, .value = value};
}

static struct gr_journal_group as_journal_group(const struct group *group)
{
    return (struct gr_journal_group){.first = group->first,
                                     .last = group->last,
                                     .epoch = group->epoch,
                                     .payload = group->payload.at,
                                     .payload_size = group->payload.size,
                                     .aside = group->aside.at,
                                     .aside_size = group->aside.size};
}

// The group on its way is durable: what waited for it happens now, in order.
static void finish(struct gr_commit *commit)
{
    struct group *group = commit->sending;
    struct gr_journal_group done = as_journal_group(group);
    commit->durable = group->last;
    commit->group_count++;
    commit->byte_count += group->payload.size + group->aside.size;
    if (commit->watcher.durable != NULL) {
        commit->watcher.durable(commit->watcher.context, &done);
    }
    // Thens may add facts and thens of their own: those belong to the gathering group. Until the
    // last one ran, this group counts as under way, so that order is kept.
    for (size_t i = 0; i < group->then_count; i++) {
        struct then then = group->thens[i];
        then.run(then.context, then.value);
    }
    group->then_count = 0;
    group->payload.size = group->aside.size = 0;
    group->first = group->last = 0;
    commit->sending = NULL;
    commit->is_sent = commit->is_full = false;
    commit->done_ns = commit->apart_ns == 0 ? 0 : gr_clock_ns();
}

void gr_commit_gather(struct gr_commit *commit, int64_t ns)
{
    assert(ns >= 0);
    commit->apart_ns = ns;
}

int64_t gr_commit_gather_ns(const struct gr_commit *commit)
{
    int64_t left_ns = commit->done_ns + commit->apart_ns - gr_clock_ns();
    return !commit->is_held ? 0 : left_ns > 0 ? left_ns : 1;
}

bool gr_commit_is_sending(const struct gr_commit *commit)
{
    return commit->is_sent;
}

static bool is_held(const struct gr_commit *commit)
{
    const struct group *group = commit->gathering;
    return commit->apart_ns > 0 && commit->sending == NULL && group->payload.size > 0 &&
           group->payload.size + group->aside.size < GATHERED_BYTES &&
           gr_clock_ns() < commit->done_ns + commit->apart_ns;
}

static int hand_over(struct gr_commit *commit, struct gr_err *err)
{
    if (commit->is_full && gr_clock_ms() < commit->again_ms) {
        return 0;
    }
    commit->is_held = is_held(commit);
    if (commit->sending == NULL && commit->gathering->payload.size > 0 && !commit->is_held) {
        commit->sending = commit->gathering;
        commit->gathering = &commit->groups[commit->sending == &commit->groups[0] ? 1 : 0];
        commit->is_sent = false;
    }
    if (commit->sending == NULL || commit->is_sent) {
        return 0;
    }
    struct gr_journal_group group = as_journal_group(commit->sending);
    int rc = gr_journal_append(commit->journal, &group, commit->durable, err);
    if (rc == 0) {
        commit->is_sent = true;
    }
    return rc;
}

int gr_commit_run(struct gr_commit *commit, struct gr_err *err)
{
    assert(commit != NULL);
    if (commit->broken != 0) {
        return gr_fail(err, commit->broken, "no memory for what is to be written to the journal");
    }
    if (commit->is_sent) {
        int rc = gr_journal_poll(commit->journal, err);
        if (rc == -ENOSPC) {
            commit->is_sent = false;
            commit->is_full = true;
            commit->again_ms = gr_clock_ms() + GR_COMMIT_AGAIN_MS;
            return rc;
        }
        if (rc < 0) {
            return rc;
        }
        if (rc > 0) {
            finish(commit);
        }
    }
    return hand_over(commit, err);
}

int gr_commit_flush(struct gr_commit *commit, struct gr_err *err)
{
    assert(commit != NULL);
    commit->again_ms = 0;
    commit->apart_ns = 0; // nothing is held back
    int rc = gr_commit_run(commit, err);
    while (rc == 0 && commit->sending != NULL) {
        rc = gr_journal_wait(commit->journal, err);
        if (rc == -ENOSPC) {
            commit->is_sent = false;
            commit->is_full = true;
            commit->again_ms = gr_clock_ms() + GR_COMMIT_AGAIN_MS;
        }
        if (rc >= 0) {
            finish(commit);
            rc = hand_over(commit, err);
        }
    }
    return rc;
}

bool gr_commit_is_full(const struct gr_commit *commit)
{
    return commit->is_full;
}

size_t gr_commit_bytes(const struct gr_commit *commit)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < 2; i++) {
        bytes += commit->groups[i].payload.size + commit->groups[i].aside.size;
    }
    return bytes;
}

uint64_t gr_commit_durable(const struct gr_commit *commit)
{
    return commit->durable;
}

void gr_commit_counts(const struct gr_commit *commit, uint64_t *ret_groups, uint64_t *ret_bytes)
{
    *ret_groups = commit->group_count;
    *ret_bytes = commit->byte_count;
}
