// Copies of whole journals: see gr_journal_backup and gr_journal_restore in journal.h.
//
// A copy is made group by group through a reader, which checks the chain and keeps no lock between
// two groups: the writer beside it is not held up, and its log can begin anew. It is made beside
// the place it is for and renamed at the end: it appears whole or not at all.
#include "journal/disk.h"
#include "journal/end.h"
#include "journal/head.h"
#include "journal/sealed.h"
#include "journal/store.h"
#include "journal/verify.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// A transaction of the copy ends after so many bytes.
#define COMMIT_BYTES (UINT64_C(64) << 20)
// What a restored journal's next writer adds to the highest epoch.
enum { EPOCH_STEP = 1000 };

static int add_groups(const char *dir, sqlite3 *db, const struct gr_store_state *state,
                      const struct gr_journal_tip *tip, struct gr_err *err)
{
    struct gr_journal_reader *reader = NULL;
    struct gr_store_adder adder = {0};
    struct gr_journal_group group = {.last = state->base.sequence};
    uint64_t bytes = 0;
    int rc = gr_journal_reader_open(dir, state->base.sequence + 1, &reader, err);
    if (rc == 0) {
        rc = gr_store_adder_open(db, &adder, err);
    }
    if (rc == 0) {
        rc = gr_store_exec(db, "BEGIN", err);
    }
    while (rc == 0 && group.last < tip->sequence) {
        uint8_t hash[GR_HASH_SIZE];
        rc = gr_journal_reader_next(reader, &group, err);
        if (rc == 0) {
            rc = gr_fail(err, -EBADMSG, "%s: sequence %" PRIu64 " is not there any more", dir,
                         group.last + 1);
        } else if (rc > 0) {
            gr_journal_reader_hash(reader, hash);
            rc = gr_store_add(&adder, &group, hash, state->epoch, err);
            bytes += group.payload_size + group.aside_size;
        }
        if (rc == 0 && bytes >= COMMIT_BYTES) {
            bytes = 0;
            rc = gr_store_exec(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE); BEGIN", err);
        }
    }
    if (rc == 0) {
        rc = gr_store_exec(db, "COMMIT", err);
    }
    gr_store_adder_close(&adder);
    gr_journal_reader_close(reader);
    return rc;
}

// Makes the file of the copy, with all groups up to the tip.
static int copy_file(const char *from, const char *to, const struct gr_store_state *state,
                     const struct gr_journal_tip *tip, struct gr_err *err)
{
    sqlite3 *db = NULL;
    int rc = gr_store_create(to, state, err);
    if (rc == 0) {
        rc = gr_store_open(to, GR_STORE_WRITE, &db, err);
    }
    if (rc < 0) {
        return rc;
    }
    // Checkpoints sync the file; a copy that was stopped is thrown away.
    rc = gr_store_exec(db, "PRAGMA synchronous=NORMAL", err);
    if (rc == 0) {
        rc = add_groups(from, db, state, tip, err);
    }
    if (rc == 0) {
        rc = gr_store_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
    }
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    gr_store_close(db);
    return rc;
}

static int copy_parts(const char *from, const char *to, uint64_t base, struct gr_err *err)
{
    char from_path[GR_DISK_PATH_SIZE];
    char to_path[GR_DISK_PATH_SIZE];
    struct gr_sealed_name *names = NULL;
    size_t count = 0;
    int rc = gr_sealed_list(from, &names, &count, err);
    if (rc == 0 && count > 0) {
        rc = gr_disk_path(to, GR_SEALED_DIR, to_path, err);
        rc = rc < 0 ? rc : gr_disk_make_dir(to_path, err);
    }
    for (size_t i = 0; rc >= 0 && i < count; i++) {
        char name[sizeof GR_SEALED_DIR + GR_SEALED_NAME_SIZE];
        memcpy(name, GR_SEALED_DIR "/", sizeof GR_SEALED_DIR);
        gr_sealed_name(names[i].first, names[i].last, name + sizeof GR_SEALED_DIR);
        if (names[i].last > base) {
            continue; // left from a seal that was stopped
        }
        rc = gr_disk_path(from, name, from_path, err);
        rc = rc < 0 ? rc : gr_disk_path(to, name, to_path, err);
        rc = rc < 0 ? rc : gr_disk_copy(from_path, to_path, err);
    }
    if (rc >= 0 && count > 0) {
        rc = gr_disk_path(to, GR_SEALED_DIR, to_path, err);
        rc = rc < 0 ? rc : gr_disk_sync_dir(to_path, err);
    }
    free(names);
    return rc < 0 ? rc : 0;
}

// Fills the folder `to` with a copy. Its writers' epochs begin `step` - 1 higher.
static int fill(const char *from, const char *to, bool is_restore, struct gr_err *err)
{
    sqlite3 *db = NULL;
    struct gr_store_state state = {0};
    struct gr_journal_tip tip = {0};
    struct gr_journal_tip head = {0};
    struct gr_journal_verified verified;
    int rc = gr_store_open(from, GR_STORE_READ, &db, err);
    if (rc < 0) {
        return rc;
    }
    rc = gr_end_check(from, db, is_restore, &state, &tip, &head, err);
    gr_store_close(db);
    if (rc < 0) {
        return rc;
    }
    state.epoch = state.epoch > head.epoch ? state.epoch : head.epoch;
    if (is_restore && state.epoch > UINT32_MAX - EPOCH_STEP) {
        return gr_fail(err, -EOVERFLOW, "%s: all epochs are used up", from);
    }
    state.epoch += is_restore ? EPOCH_STEP - 1 : 0;
    rc = copy_parts(from, to, state.base.sequence, err);
    if (rc == 0) {
        rc = copy_file(from, to, &state, &tip, err);
    }
    tip.epoch = state.epoch;
    if (rc == 0) {
        rc = gr_head_create(to, &tip, err);
    }
    return rc < 0 ? rc : gr_verify(to, false, NULL, NULL, &verified, err);
}

// Copies `from` beside `to` and renames the copy.
static int copy(const char *from, const char *to, bool is_restore, struct gr_err *err)
{
    char part[GR_DISK_PATH_SIZE];
    char parent[GR_DISK_PATH_SIZE];
    struct gr_err ignored;
    size_t size = strlen(to);
    while (size > 1 && to[size - 1] == '/') {
        size--;
    }
    int wanted = snprintf(part, sizeof part, "%.*s.part", (int)size, to);
    if (wanted < 0 || (size_t)wanted >= sizeof part) {
        return gr_fail(err, -ENAMETOOLONG, "%.200s...: the path is too long", to);
    }
    int rc = gr_disk_remove_dir(part, err); // left from a copy that was stopped
    rc = rc < 0 ? rc : gr_disk_make_dir(part, err);
    if (rc < 0) {
        return rc;
    }
    rc = fill(from, part, is_restore, err);
    // An empty folder in the place of a restored journal is replaced; nothing else ever is.
    if (rc == 0 && renameat2(AT_FDCWD, part, AT_FDCWD, to, is_restore ? 0 : RENAME_NOREPLACE) < 0) {
        rc = errno == EEXIST || errno == ENOTEMPTY
                 ? gr_fail(err, -EEXIST, "%s: is there already; name a place that is not", to)
                 : gr_fail_errno(err, "rename %s to %s", part, to);
    }
    if (rc < 0) {
        (void)gr_disk_remove_dir(part, &ignored);
        return rc;
    }
    rc = gr_disk_path(to, "..", parent, err);
    return rc < 0 ? rc : gr_disk_sync_dir(parent, err);
}

int gr_journal_backup(const char *dir, const char *to, struct gr_err *err)
{
    assert(dir != NULL && to != NULL);
    if (gr_disk_exists(to)) {
        return gr_fail(err, -EEXIST, "%s: is there already; name a place that is not", to);
    }
    return copy(dir, to, false, err);
}

// Whether the folder is not there, or is empty.
static bool is_free(const char *dir)
{
    struct stat st;
    if (lstat(dir, &st) < 0) {
        return errno == ENOENT;
    }
    char path[GR_DISK_PATH_SIZE];
    return S_ISDIR(st.st_mode) && gr_disk_path(dir, GR_STORE_NAME, path, NULL) == 0 &&
           !gr_disk_exists(path);
}

int gr_journal_restore(const char *from, const char *dir, struct gr_err *err)
{
    assert(from != NULL && dir != NULL);
    struct gr_journal_verified verified;
    if (!is_free(dir)) {
        return gr_fail(err, -EEXIST,
                       "%s: holds a journal; move it away, or restore into another directory", dir);
    }
    int rc = gr_verify(from, true, NULL, NULL, &verified, err);
    return rc < 0 ? rc : copy(from, dir, true, err);
}
