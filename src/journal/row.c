// Rows of groups: see store.h. What is not what was written is damage, never a guess.
#include "journal/store.h"

#include "journal/chain.h"
#include "journal/disk.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

// The columns of GR_STORE_COLUMNS.
enum { LAST, FIRST, EPOCH, HASH, ASIDE_SIZE, ASIDE_LAST, ASIDE_HASH, ASIDE, PAYLOAD };

static bool is_number(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_INTEGER &&
           sqlite3_column_int64(stmt, column) >= 0;
}

// Borrows a blob; false if it is none, or memory ran out.
static bool blob(sqlite3_stmt *stmt, int column, const uint8_t **bytes, size_t *size)
{
    if (sqlite3_column_type(stmt, column) != SQLITE_BLOB) {
        return false;
    }
    *bytes = sqlite3_column_blob(stmt, column);
    *size = (size_t)sqlite3_column_bytes(stmt, column);
    return *bytes != NULL && *size > 0 && *size <= GR_JOURNAL_GROUP_BYTES_MAX;
}

static bool numbers(sqlite3_stmt *stmt, struct gr_journal_group *group)
{
    if (!is_number(stmt, LAST) || !is_number(stmt, FIRST) || !is_number(stmt, EPOCH) ||
        !is_number(stmt, ASIDE_SIZE)) {
        return false;
    }
    group->last = (uint64_t)sqlite3_column_int64(stmt, LAST);
    group->first = (uint64_t)sqlite3_column_int64(stmt, FIRST);
    int64_t epoch = sqlite3_column_int64(stmt, EPOCH);
    group->epoch = (uint32_t)epoch;
    return epoch <= (int64_t)UINT32_MAX && group->first >= 1 && group->first <= group->last;
}

// The aside must be there if the group says so, with the size it says, and whole.
static bool aside(sqlite3_stmt *stmt, struct gr_journal_group *group)
{
    uint64_t size = (uint64_t)sqlite3_column_int64(stmt, ASIDE_SIZE);
    bool is_there = sqlite3_column_type(stmt, ASIDE_LAST) != SQLITE_NULL;
    if (size == 0 || !is_there) {
        return size == 0 && !is_there;
    }
    const uint8_t *stored;
    size_t stored_size;
    uint8_t hash[GR_HASH_SIZE];
    if (!blob(stmt, ASIDE_HASH, &stored, &stored_size) || stored_size != GR_HASH_SIZE ||
        !blob(stmt, ASIDE, &group->aside, &group->aside_size) || group->aside_size != size) {
        return false;
    }
    gr_chain_aside(group->last, group->aside, group->aside_size, hash);
    return memcmp(hash, stored, GR_HASH_SIZE) == 0;
}

int gr_store_row_read(sqlite3_stmt *stmt, struct gr_journal_group *ret_group,
                      uint8_t ret_hash[GR_HASH_SIZE], struct gr_err *err)
{
    struct gr_journal_group group = {0};
    const uint8_t *hash = NULL;
    size_t hash_size = 0;
    const char *damaged = NULL;
    if (!numbers(stmt, &group)) {
        damaged = "its numbers";
    } else if (!blob(stmt, HASH, &hash, &hash_size) || hash_size != GR_HASH_SIZE) {
        damaged = "its hash";
    } else if (!blob(stmt, PAYLOAD, &group.payload, &group.payload_size)) {
        damaged = "its payload";
    } else if (!aside(stmt, &group)) {
        damaged = "its aside";
    }
    sqlite3 *db = sqlite3_db_handle(stmt);
    if (damaged != NULL && (sqlite3_errcode(db) & 0xff) == SQLITE_NOMEM) {
        return gr_store_fail(db, err, GR_STORE_NAME);
    }
    if (damaged != NULL) {
        return gr_fail(err, -EBADMSG,
                       "the journal's group that ends with sequence %" PRIu64
                       " is damaged (%s); restore a backup into a new directory "
                       "(docs/operate/backup.md)",
                       (uint64_t)sqlite3_column_int64(stmt, LAST), damaged);
    }
    memcpy(ret_hash, hash, GR_HASH_SIZE);
    *ret_group = group;
    return 0;
}

// --- adding

int gr_store_adder_open(sqlite3 *db, struct gr_store_adder *ret_adder, struct gr_err *err)
{
    struct gr_store_adder adder = {.db = db};
    // The conditions stand against a second writer whose lock did not hold.
    int rc = gr_store_prepare(
        db,
        "INSERT INTO groups(last, first, epoch, hash, aside, payload) "
        "SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE (SELECT epoch FROM state) = ?7 "
        "AND (SELECT coalesce(max(last), (SELECT base FROM state)) FROM groups) = ?2 - 1",
        &adder.group, err);
    if (rc == 0) {
        rc = gr_store_prepare(db, "INSERT INTO asides(last, hash, bytes) VALUES(?1, ?2, ?3)",
                              &adder.aside, err);
    }
    if (rc < 0) {
        gr_store_adder_close(&adder);
        return rc;
    }
    *ret_adder = adder;
    return 0;
}

void gr_store_adder_close(struct gr_store_adder *adder)
{
    sqlite3_finalize(adder->group);
    sqlite3_finalize(adder->aside);
    *adder = (struct gr_store_adder){0};
}

static int add_aside(struct gr_store_adder *adder, const struct gr_journal_group *group,
                     struct gr_err *err)
{
    uint8_t hash[GR_HASH_SIZE];
    gr_chain_aside(group->last, group->aside, group->aside_size, hash);
    sqlite3_bind_int64(adder->aside, 1, (int64_t)group->last);
    sqlite3_bind_blob(adder->aside, 2, hash, GR_HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob64(adder->aside, 3, group->aside, group->aside_size, SQLITE_STATIC);
    int step = sqlite3_step(adder->aside);
    int rc = step == SQLITE_DONE ? 0 : gr_store_fail(adder->db, err, "write the journal");
    sqlite3_reset(adder->aside);
    sqlite3_clear_bindings(adder->aside); // the bytes are borrowed
    return rc;
}

int gr_store_add(struct gr_store_adder *adder, const struct gr_journal_group *group,
                 const uint8_t hash[GR_HASH_SIZE], uint32_t claimed, struct gr_err *err)
{
    assert(group->payload_size > 0 && group->payload_size <= GR_JOURNAL_GROUP_BYTES_MAX);
    assert(group->aside_size <= GR_JOURNAL_GROUP_BYTES_MAX);
    assert(group->first >= 1 && group->first <= group->last && group->last <= INT64_MAX);
    sqlite3_bind_int64(adder->group, 1, (int64_t)group->last);
    sqlite3_bind_int64(adder->group, 2, (int64_t)group->first);
    sqlite3_bind_int64(adder->group, 3, (int64_t)group->epoch);
    sqlite3_bind_blob(adder->group, 4, hash, GR_HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(adder->group, 5, (int64_t)group->aside_size);
    sqlite3_bind_blob64(adder->group, 6, group->payload, group->payload_size, SQLITE_STATIC);
    sqlite3_bind_int64(adder->group, 7, (int64_t)claimed);
    int step = sqlite3_step(adder->group);
    int rc = step == SQLITE_DONE ? 0 : gr_store_fail(adder->db, err, "write the journal");
    sqlite3_reset(adder->group);
    sqlite3_clear_bindings(adder->group);
    if (rc == 0 && sqlite3_changes(adder->db) != 1) {
        rc = gr_fail(err, -ESTALE, "another writer has taken over this journal");
    }
    return rc < 0 || group->aside_size == 0 ? rc : add_aside(adder, group, err);
}
