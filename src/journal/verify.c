// Checks a whole journal: see gr_journal_verify in journal.h.
#include "journal/verify.h"

#include "journal/chain.h"
#include "journal/end.h"
#include "journal/lock.h"
#include "journal/sealed.h"
#include "journal/store.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// Progress is told each time so many bytes were read.
#define TELL_BYTES (UINT64_C(8) << 20)

// What is under way.
struct walk {
    const char *dir;
    void (*progress)(void *context, uint64_t at, uint64_t last);
    void *context;
    uint64_t untold_bytes;
    struct gr_store_state state; // of the moment at which it began
    struct gr_journal_tip tip;
    struct gr_journal_tip at; // the end of what was checked in one piece
    struct gr_journal_verified found;
};

static void count(struct walk *walk, const struct gr_journal_group *group)
{
    walk->found.groups++;
    walk->found.payload_bytes += group->payload_size;
    walk->found.aside_bytes += group->aside_size;
    walk->untold_bytes += group->payload_size + group->aside_size;
    if (walk->progress != NULL && walk->untold_bytes >= TELL_BYTES) {
        walk->untold_bytes = 0;
        walk->progress(walk->context, group->last, walk->tip.sequence);
    }
}

// The chain goes on from here, since what lies before was moved away.
static void begin_at(struct walk *walk, const struct gr_journal_tip *before)
{
    walk->at = *before;
    walk->found.first = before->sequence + 1;
    walk->found.is_whole = before->sequence == 0;
}

static int broken(const struct walk *walk, uint64_t first, uint64_t last, const char *what,
                  struct gr_err *err)
{
    return gr_fail(err, -EBADMSG,
                   "%s: the journal is damaged at sequence %" PRIu64 ": %s (group %" PRIu64
                   " to %" PRIu64 "); restore a backup into a new directory "
                   "(docs/operate/backup.md)",
                   walk->dir, walk->at.sequence + 1, what, first, last);
}

// --- sealed parts

static int walk_groups(struct walk *walk, const struct gr_sealed *part, struct gr_sealed_room *room,
                       struct gr_err *err)
{
    uint64_t groups = gr_sealed_count(part);
    for (uint64_t i = 0; i < groups; i++) {
        struct gr_journal_group group = {0};
        uint8_t stored[GR_HASH_SIZE];
        uint8_t hash[GR_HASH_SIZE];
        int rc = gr_sealed_read(part, i, room, &group, stored, err);
        if (rc < 0) {
            return rc;
        }
        gr_chain_next(walk->at.hash, &group, hash);
        if (group.first != walk->at.sequence + 1 || group.epoch < walk->at.epoch ||
            memcmp(hash, stored, GR_HASH_SIZE) != 0) {
            return broken(walk, group.first, group.last,
                          "a sealed group does not continue the hash chain", err);
        }
        walk->at.sequence = group.last;
        walk->at.epoch = group.epoch;
        memcpy(walk->at.hash, hash, GR_HASH_SIZE);
        count(walk, &group);
    }
    return 0;
}

static int walk_part(struct walk *walk, const struct gr_sealed_name *name, struct gr_err *err)
{
    struct gr_sealed *part = NULL;
    struct gr_sealed_room room = {0};
    int rc = gr_sealed_open(walk->dir, name, &part, err);
    if (rc < 0) {
        return rc;
    }
    struct gr_journal_tip before = gr_sealed_before(part);
    if (name->first <= walk->at.sequence) {
        rc = broken(walk, name->first, name->last, "two sealed parts hold the same sequences", err);
    } else if (name->first != walk->at.sequence + 1) {
        begin_at(walk, &before);
    } else if (before.epoch != walk->at.epoch ||
               memcmp(before.hash, walk->at.hash, GR_HASH_SIZE) != 0) {
        rc = broken(walk, name->first, name->last, "a sealed part does not continue the hash chain",
                    err);
    }
    if (rc == 0) {
        rc = gr_sealed_check_index(part, err);
    }
    if (rc == 0) {
        rc = walk_groups(walk, part, &room, err);
    }
    if (rc == 0 && walk->at.sequence != name->last) {
        rc = broken(walk, name->first, name->last, "a sealed part does not end as it says", err);
    }
    walk->found.parts++;
    gr_sealed_close(part);
    free(room.bytes);
    return rc;
}

static int walk_parts(struct walk *walk, struct gr_err *err)
{
    struct gr_sealed_name *names = NULL;
    size_t number = 0;
    const struct gr_journal_tip *base = &walk->state.base;
    int rc = gr_sealed_list(walk->dir, &names, &number, err);
    for (size_t i = 0; rc == 0 && i < number; i++) {
        // One beyond the base is left from a seal that was stopped: the file still has its groups.
        if (names[i].last <= base->sequence) {
            rc = walk_part(walk, &names[i], err);
        }
    }
    free(names);
    if (rc < 0) {
        return rc;
    }
    if (walk->at.sequence != base->sequence) {
        begin_at(walk, base);
    } else if (memcmp(walk->at.hash, base->hash, GR_HASH_SIZE) != 0 ||
               walk->at.epoch != base->epoch) {
        rc = broken(walk, base->sequence, base->sequence,
                    "the sealed parts are of another history than the journal", err);
    }
    return rc;
}

// --- the file

static int walk_file(struct walk *walk, struct gr_err *err)
{
    struct gr_journal_reader *reader = NULL;
    struct gr_journal_group group = {0};
    int rc = gr_journal_reader_open(walk->dir, walk->at.sequence + 1, &reader, err);
    if (rc < 0) {
        return rc;
    }
    while (rc == 0 && walk->at.sequence < walk->tip.sequence) {
        rc = gr_journal_reader_next(reader, &group, err);
        if (rc == 0) {
            rc = broken(walk, walk->at.sequence + 1, walk->tip.sequence, "it ends too early", err);
        } else if (rc > 0) {
            rc = 0;
            walk->at.sequence = group.last;
            count(walk, &group);
        }
    }
    if (rc == 0) {
        gr_journal_reader_hash(reader, walk->at.hash);
        if (walk->at.sequence == walk->tip.sequence &&
            memcmp(walk->at.hash, walk->tip.hash, GR_HASH_SIZE) != 0) {
            rc = broken(walk, group.first, group.last, "its last hash is wrong", err);
        }
    }
    gr_journal_reader_close(reader);
    return rc;
}

// The file's own structure, with its free pages: damage there harms what is written next.
static int check_structure(const struct walk *walk, sqlite3 *db, struct gr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = gr_store_prepare(db, "PRAGMA quick_check(1)", &stmt, err);
    if (rc < 0) {
        return rc;
    }
    if (sqlite3_step(stmt) != SQLITE_ROW) {
        rc = gr_store_fail(db, err, walk->dir);
    } else {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        if (text == NULL || strcmp(text, "ok") != 0) {
            rc =
                gr_fail(err, -EBADMSG,
                        "%s: all groups are good, but the file around them is damaged (%s); make a "
                        "backup and restore it into a new directory (docs/operate/backup.md)",
                        walk->dir, text == NULL ? "no memory to say where" : text);
        }
    }
    sqlite3_finalize(stmt);
    return rc;
}

int gr_verify(const char *dir, bool no_head,
              void (*progress)(void *context, uint64_t at, uint64_t last), void *context,
              struct gr_journal_verified *ret_verified, struct gr_err *err)
{
    assert(dir != NULL && ret_verified != NULL);
    struct walk walk = {.dir = dir, .progress = progress, .context = context};
    struct gr_journal_tip head = {0};
    sqlite3 *db = NULL;
    static const struct gr_journal_tip nothing;
    int rc = gr_store_open(dir, GR_STORE_READ, &db, err);
    if (rc < 0) {
        return rc;
    }
    begin_at(&walk, &nothing);
    rc = gr_end_check(dir, db, no_head, &walk.state, &walk.tip, &head, err);
    if (rc == 0) {
        rc = walk_parts(&walk, err);
    }
    if (rc == 0) {
        rc = walk_file(&walk, err);
    }
    // It holds one long read, under which a writer's log would grow: not beside a writer.
    if (rc == 0 && !gr_lock_is_held(dir)) {
        rc = check_structure(&walk, db, err);
    }
    gr_store_close(db);
    if (rc < 0) {
        return rc;
    }
    if (walk.at.sequence < walk.found.first) {
        walk.found.first = 0; // there is nothing
    }
    walk.found.last = walk.found.first == 0 ? 0 : walk.at.sequence;
    memcpy(walk.found.hash, walk.at.hash, GR_HASH_SIZE);
    *ret_verified = walk.found;
    return 0;
}

int gr_journal_verify(const char *dir, void (*progress)(void *context, uint64_t at, uint64_t last),
                      void *context, struct gr_journal_verified *ret_verified, struct gr_err *err)
{
    return gr_verify(dir, false, progress, context, ret_verified, err);
}
