// The core as the journal left it: see recover.h.
#include "daemon/recover.h"

#include "codec/event_bytes.h"
#include "core/save.h"
#include "daemon/state_dir.h"
#include "journal/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Snapshots kept: the newest, and one to fall back to.
#define KEEP 2

// Facts that are read at once, so that their rows are on the way from memory when they are applied.
#define SOON 32

static int apply_one(struct gr_core *core, const struct gr_event *event, uint64_t expected,
                     const struct gr_recovery *recovery, struct gr_err *err)
{
    bool is_told =
        recovery->fact != NULL && (event->type == GR_JOB_FINISHED || event->type == GR_JOB_DROPPED);
    enum gr_refusal refusal = GR_REFUSED_SEQUENCE;
    if (event->sequence == expected) {
        // Who is told sees the state before the fact, so it must be known to be a good one.
        refusal = !is_told ? gr_core_step(core, event, NULL, NULL) : gr_core_check(core, event);
    }
    if (refusal != GR_REFUSED_NOTHING) {
        return gr_fail(err, -EBADMSG,
                       "journal: fact %llu (%s) does not follow from those before it: %s; "
                       "restore the newest backup (docs/operate/backup.md)",
                       (unsigned long long)expected, gr_event_type_name(event->type),
                       gr_refusal_text(refusal));
    }
    if (is_told) {
        recovery->fact(recovery->context, core, event);
        (void)gr_core_step(core, event, NULL, NULL);
    }
    return 0;
}

// Reads every fact of a group into the core.
static int apply_group(struct gr_core *core, const struct gr_journal_group *group,
                       struct gr_event_room *room, const struct gr_recovery *recovery,
                       struct gr_err *err)
{
    size_t at = 0;
    uint64_t expected = group->first;
    while (at < group->payload_size) {
        struct gr_event events[SOON];
        uint32_t count;
        long took = gr_event_decode_many(group->payload + at, group->payload_size - at, room,
                                         events, SOON, &count, err);
        if (took <= 0) {
            if (took == 0) {
                (void)gr_fail(err, -EBADMSG, "the group ends in the middle of a fact");
            }
            gr_err_prefix(err, "journal: fact %llu", (unsigned long long)expected);
            return -EBADMSG;
        }
        gr_core_soon(core, events, count);
        for (uint32_t i = 0; i < count; i++) {
            int rc = apply_one(core, &events[i], expected++, recovery, err);
            if (rc != 0) {
                return rc;
            }
        }
        at += (size_t)took;
    }
    if (expected != group->last + 1) {
        return gr_fail(err, -EBADMSG, "journal: the group of facts %llu to %llu ends at %llu",
                       (unsigned long long)group->first, (unsigned long long)group->last,
                       (unsigned long long)(expected - 1));
    }
    return 0;
}

static int apply_tail(struct gr_core *core, struct gr_journal_reader *reader, uint64_t last,
                      struct gr_recovery *recovery, struct gr_err *err)
{
    struct gr_event_room *room = malloc(sizeof *room);
    if (room == NULL) {
        return gr_fail(err, -ENOMEM, "no memory to read the journal");
    }
    int rc = 0;
    gr_journal_reader_hash(reader, recovery->hash);
    for (;;) {
        struct gr_journal_group group;
        rc = gr_journal_reader_next(reader, &group, err);
        if (rc <= 0 || (recovery->until != 0 && group.last > recovery->until)) {
            rc = rc < 0 ? rc : 0;
            break;
        }
        recovery->group = &group;
        rc = apply_group(core, &group, room, recovery, err);
        recovery->group = NULL;
        if (rc != 0) {
            break;
        }
        recovery->sequence = group.last;
        gr_journal_reader_hash(reader, recovery->hash);
        if (recovery->progress != NULL) {
            recovery->progress(recovery->context, group.last, last);
        }
    }
    free(room);
    return rc;
}

// The core from the newest snapshot that is good and belongs to this journal, or an empty one.
static int begin(const char *dir, const struct gr_core_config *config, struct gr_recovery *recovery,
                 struct gr_core **ret_core, struct gr_err *err)
{
    uint64_t most = recovery->until == 0 ? UINT64_MAX : recovery->until;
    if (recovery->before != 0 && recovery->before - 1 < most) {
        most = recovery->before - 1;
    }
    struct gr_snapshot_mark mark;
    int rc;
    do {
        struct gr_snapshot *snapshot = NULL;
        rc = gr_snapshot_open(dir, most, recovery->passed, sizeof recovery->passed, &snapshot, err);
        if (rc == -ENOENT) {
            return gr_core_new(config, ret_core, err);
        }
        if (rc != 0) {
            return rc;
        }
        size_t size;
        const uint8_t *bytes = gr_snapshot_bytes(snapshot, &size);
        mark = gr_snapshot_mark_get(snapshot);
        rc = gr_core_load(config, bytes, size, ret_core, err);
        gr_snapshot_close(snapshot);
        most = mark.sequence - 1;
        // One that another release wrote is passed over as a damaged one is: an older one, or the
        // journal from its beginning, says the same.
    } while (rc == -EBADMSG && most > 0);
    if (rc == -EBADMSG) {
        return gr_core_new(config, ret_core, err);
    }
    if (rc != 0) {
        gr_err_prefix(err, "snapshot of fact %llu", (unsigned long long)mark.sequence);
        return rc;
    }
    recovery->snapshot = recovery->sequence = mark.sequence;
    memcpy(recovery->hash, mark.hash, GR_HASH_SIZE);
    return 0;
}

int gr_recover(const char *state_dir, const struct gr_core_config *config,
               struct gr_recovery *recovery, struct gr_core **ret_core, struct gr_err *err)
{
    assert(state_dir != NULL && config != NULL && recovery != NULL && ret_core != NULL);
    char journal[GR_STATE_PATH_SIZE];
    char snapshots[GR_STATE_PATH_SIZE];
    int rc = gr_state_path(state_dir, "journal", journal, err);
    rc = rc != 0 ? rc : gr_state_path(state_dir, "snapshots", snapshots, err);
    recovery->snapshot = recovery->sequence = 0;
    memset(recovery->hash, 0, sizeof recovery->hash);
    struct gr_core *core = NULL;
    rc = rc != 0 ? rc : begin(snapshots, config, recovery, &core, err);
    if (rc != 0) {
        return rc;
    }
    struct gr_journal_reader *reader = NULL;
    rc = gr_journal_reader_open(journal, recovery->sequence + 1, &reader, err);
    if (rc == -ENOENT && recovery->snapshot == 0) {
        *ret_core = core;
        return 0;
    }
    if (rc == 0) {
        uint8_t hash[GR_HASH_SIZE];
        gr_journal_reader_hash(reader, hash);
        if (memcmp(hash, recovery->hash, sizeof hash) != 0) {
            rc = gr_fail(err, -EBADMSG,
                         "the snapshot of fact %llu is not of this journal; move it out of %s and "
                         "start again",
                         (unsigned long long)recovery->snapshot, snapshots);
        }
    }
    rc = rc != 0 ? rc : apply_tail(core, reader, recovery->until, recovery, err);
    gr_journal_reader_close(reader);
    if (rc != 0) {
        gr_core_free(core);
        return rc;
    }
    *ret_core = core;
    return 0;
}

int gr_recover_and_save(const char *state_dir, const struct gr_core_config *config,
                        struct gr_recovery *recovery, struct gr_err *err)
{
    struct gr_core *core;
    char snapshots[GR_STATE_PATH_SIZE];
    int rc = gr_state_path(state_dir, "snapshots", snapshots, err);
    rc = rc != 0 ? rc : gr_recover(state_dir, config, recovery, &core, err);
    if (rc != 0) {
        return rc;
    }
    if (recovery->sequence > recovery->snapshot) {
        struct gr_snapshot_mark mark = {.sequence = recovery->sequence};
        memcpy(mark.hash, recovery->hash, sizeof mark.hash);
        struct gr_snapshot_writer *writer = NULL;
        rc = gr_snapshot_create(snapshots, &mark, &writer, err);
        rc = rc != 0 ? rc : gr_core_save(core, gr_snapshot_write, writer, err);
        if (rc == 0) {
            rc = gr_snapshot_commit(writer, KEEP, err);
        } else {
            gr_snapshot_abort(writer);
        }
    }
    gr_core_free(core);
    return rc;
}
