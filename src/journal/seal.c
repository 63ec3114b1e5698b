// Sealing old groups: see gr_journal_seal in journal.h.
//
// The order is all: the part is written and synced under another name, named, read back and checked
// group by group, and only then, in one transaction, the groups leave the file and the base moves.
// A part whose groups are still in the file is passed over by readers and removed by the next seal.
#include "journal/chain.h"
#include "journal/disk.h"
#include "journal/end.h"
#include "journal/head.h"
#include "journal/lock.h"
#include "journal/sealed.h"
#include "journal/store.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEW_NAME "part.new"

// Removes what a seal left that was stopped.
static int sweep(const char *dir, const char *folder, uint64_t base, struct gr_err *err)
{
    char path[GR_DISK_PATH_SIZE];
    struct gr_sealed_name *names = NULL;
    size_t count = 0;
    int rc = gr_disk_path(folder, NEW_NAME, path, err);
    if (rc == 0) {
        rc = gr_disk_remove(path, err);
    }
    if (rc >= 0) {
        rc = gr_sealed_list(dir, &names, &count, err);
    }
    for (size_t i = 0; rc >= 0 && i < count; i++) {
        char name[GR_SEALED_NAME_SIZE];
        if (names[i].last > base) {
            gr_sealed_name(names[i].first, names[i].last, name);
            rc = gr_disk_path(folder, name, path, err);
            rc = rc < 0 ? rc : gr_disk_remove(path, err);
        }
    }
    free(names);
    return rc < 0 ? rc : 0;
}

// Writes the groups after the base up to `end` into the file `path`.
static int write_part(const char *dir, const char *path, const struct gr_journal_tip *base,
                      const struct gr_journal_tip *end, struct gr_err *err)
{
    struct gr_journal_reader *reader = NULL;
    struct gr_sealed_writer *writer = NULL;
    struct gr_journal_group group = {0};
    int rc = gr_journal_reader_open(dir, base->sequence + 1, &reader, err);
    if (rc == 0) {
        rc = gr_sealed_create(path, base, &writer, err);
    }
    while (rc == 0 && group.last < end->sequence) {
        uint8_t hash[GR_HASH_SIZE];
        rc = gr_journal_reader_next(reader, &group, err);
        if (rc == 0) {
            rc = gr_fail(err, -EBADMSG, "%s: sequence %" PRIu64 " is not there any more", dir,
                         group.last + 1);
        } else if (rc > 0) {
            gr_journal_reader_hash(reader, hash);
            rc = gr_sealed_add(writer, &group, hash, err);
        }
    }
    gr_journal_reader_close(reader);
    if (rc < 0) {
        gr_sealed_abort(writer);
        return rc;
    }
    return gr_sealed_commit(writer, err);
}

// Reads the part back: it must lead from the base to `end`.
static int check_part(const char *dir, const struct gr_sealed_name *name,
                      const struct gr_journal_tip *base, const struct gr_journal_tip *end,
                      struct gr_err *err)
{
    struct gr_sealed *part = NULL;
    struct gr_sealed_room room = {0};
    struct gr_journal_group group = {0};
    uint8_t hash[GR_HASH_SIZE];
    uint8_t stored[GR_HASH_SIZE];
    int rc = gr_sealed_open(dir, name, &part, err);
    if (rc < 0) {
        return rc;
    }
    rc = gr_sealed_check_index(part, err);
    memcpy(hash, base->hash, GR_HASH_SIZE);
    for (uint64_t i = 0; rc == 0 && i < gr_sealed_count(part); i++) {
        rc = gr_sealed_read(part, i, &room, &group, stored, err);
        if (rc == 0) {
            gr_chain_next(hash, &group, hash);
        }
        if (rc == 0 && memcmp(hash, stored, GR_HASH_SIZE) != 0) {
            rc = gr_fail(err, -EIO, "%s: the sealed part did not come out as it was written", dir);
        }
    }
    if (rc == 0 && (group.last != end->sequence || memcmp(hash, end->hash, GR_HASH_SIZE) != 0)) {
        rc = gr_fail(err, -EIO, "%s: the sealed part did not come out as it was written", dir);
    }
    gr_sealed_close(part);
    free(room.bytes);
    return rc;
}

// Takes the groups out of the file and gives their room back.
static int remove_groups(sqlite3 *db, const struct gr_store_state *state,
                         const struct gr_journal_tip *end, struct gr_err *err)
{
    char sql[256];
    struct gr_store_state next = *state;
    next.base = *end;
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA secure_delete=FAST; BEGIN IMMEDIATE;"
                   "DELETE FROM groups WHERE last <= %" PRIu64
                   "; DELETE FROM asides WHERE last <= %" PRIu64,
                   end->sequence, end->sequence);
    int rc = gr_store_exec(db, sql, err);
    if (rc == 0) {
        rc = gr_store_state_write(db, &next, err);
    }
    if (rc == 0) {
        rc = gr_store_exec(db, "COMMIT", err);
    }
    if (rc < 0) {
        return rc; // closing undoes what was begun
    }
    rc = gr_store_exec(db, "PRAGMA temp_store=FILE; VACUUM", err); // what stays may be large
    // Without room for that the file stays as large as it is, and the next groups fill it.
    return rc == -ENOSPC ? 0 : rc;
}

// The head must not lie behind the base: nothing could be compared with it any more.
static int raise_head(const char *dir, const struct gr_store_state *state,
                      const struct gr_journal_tip *tip, struct gr_err *err)
{
    struct gr_head head;
    struct gr_journal_tip was;
    struct gr_journal_tip next = *tip;
    next.epoch = state->epoch;
    int rc = gr_head_open(dir, true, &head, &was, err);
    if (rc < 0) {
        return rc;
    }
    rc = gr_head_write(&head, &next, err);
    if (rc == 0) {
        rc = gr_head_sync(&head, err);
    }
    gr_head_close(&head);
    return rc;
}

static int seal_to(const char *dir, sqlite3 *db, const struct gr_store_state *state,
                   const struct gr_journal_tip *end, struct gr_err *err)
{
    char folder[GR_DISK_PATH_SIZE];
    char path[GR_DISK_PATH_SIZE];
    char text[GR_SEALED_NAME_SIZE];
    const struct gr_sealed_name name = {state->base.sequence + 1, end->sequence};
    gr_sealed_name(name.first, name.last, text);
    int rc = gr_disk_path(dir, GR_SEALED_DIR, folder, err);
    if (rc == 0) {
        rc = gr_disk_path(folder, NEW_NAME, path, err);
    }
    if (rc == 0) {
        rc = gr_disk_make_dir(folder, err);
    }
    if (rc >= 0) {
        rc = sweep(dir, folder, state->base.sequence, err);
    }
    if (rc == 0) {
        rc = write_part(dir, path, &state->base, end, err);
    }
    if (rc == 0) {
        rc = gr_disk_rename(folder, NEW_NAME, text, err);
    }
    if (rc == 0) {
        rc = check_part(dir, &name, &state->base, end, err);
    }
    return rc < 0 ? rc : remove_groups(db, state, end, err);
}

static int seal_locked(const char *dir, uint64_t before, struct gr_err *err)
{
    sqlite3 *db = NULL;
    struct gr_store_state state = {0};
    struct gr_journal_tip tip = {0};
    struct gr_journal_tip head = {0};
    struct gr_journal_tip end = {0};
    int rc = gr_store_open(dir, GR_STORE_WRITE, &db, err);
    if (rc < 0) {
        return rc;
    }
    rc = gr_end_check(dir, db, false, &state, &tip, &head, err);
    if (rc == 0) {
        rc = gr_store_before(
            db, &state, before < GR_STORE_SEQUENCE_MAX ? before : GR_STORE_SEQUENCE_MAX, &end, err);
    }
    bool is_due = rc == 0 && end.sequence > state.base.sequence;
    if (is_due) {
        rc = raise_head(dir, &state, &tip, err);
    }
    if (is_due && rc == 0) {
        rc = seal_to(dir, db, &state, &end, err);
    }
    if (rc == 0) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    }
    gr_store_close(db);
    return rc < 0 ? rc : is_due;
}

int gr_journal_seal(const char *dir, uint64_t before, struct gr_err *err)
{
    assert(dir != NULL);
    struct gr_lock *lock = NULL;
    int rc = gr_lock_take(dir, &lock, err);
    if (rc < 0) {
        return rc;
    }
    rc = seal_locked(dir, before, err);
    gr_lock_free(lock);
    return rc;
}
