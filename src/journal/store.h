// The journal's SQLite file: its tables, its rows, its errors. For this folder only.
//
// One row a group in `groups`, what does not belong to the chain in `asides`, one row in `state`:
// the epoch that was claimed last, and the base, where the groups begin that are not sealed. Its
// form is docs/formats/journal.md.
#pragma once

#include "journal/journal.h"

#include <sqlite3.h>

// Name of the file in the journal's directory.
#define GR_STORE_NAME "journal.db"

// Bytes of a page of the file.
#define GR_STORE_PAGE_SIZE 8192

// No sequence reaches this: SQLite's integers have a sign.
#define GR_STORE_SEQUENCE_MAX ((uint64_t)INT64_MAX)

// The row of `state`.
struct gr_store_state {
    uint32_t epoch;             // claimed last; 0: never
    struct gr_journal_tip base; // the last group that is sealed; its sequence 0: none
};

// What a connection is for.
enum gr_store_use {
    GR_STORE_READ,  // changes no byte of the journal, also when it is closed
    GR_STORE_WRITE, // syncs each commit; makes no checkpoint by itself
};

// Makes the file with this state and no groups, in one step and durably. It must not be there.
int gr_store_create(const char *dir, const struct gr_store_state *state, struct gr_err *err);
// Opens the file and checks that its format and tables are ours. Returns 0; -ENOENT if there is
// none; -EBADMSG if it is no journal or is damaged; -EPROTO if its format is newer; -errno.
int gr_store_open(const char *dir, enum gr_store_use use, sqlite3 **ret_db, struct gr_err *err);
// Closes without a checkpoint: the log stays beside the file. NULL is allowed.
void gr_store_close(sqlite3 *db);

// Turns the connection's last failure into -errno and a text: "WHAT: reason". -ENOSPC means that
// the transaction can be tried again; -EBADMSG that the file is damaged.
int gr_store_fail(sqlite3 *db, struct gr_err *err, const char *what);
// Runs statements that give no rows.
int gr_store_exec(sqlite3 *db, const char *sql, struct gr_err *err);
// Prepares a statement that is kept; the caller finalizes it.
int gr_store_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, struct gr_err *err);
// Reads the row of `state` and checks its hash.
int gr_store_state_read(sqlite3 *db, struct gr_store_state *ret_state, struct gr_err *err);
// Writes it, within the caller's transaction or one of its own.
int gr_store_state_write(sqlite3 *db, const struct gr_store_state *state, struct gr_err *err);
// Writes it for a writer that begins, and with it the format of this build: an older build does not
// open the file from then on, and says why. After a failure the connection is only to be closed.
int gr_store_claim(sqlite3 *db, const struct gr_store_state *state, struct gr_err *err);
// The last group that ends before `sequence`, or the base if there is none; its epoch is that of
// the group. GR_STORE_SEQUENCE_MAX as `sequence`: the last group of all.
int gr_store_before(sqlite3 *db, const struct gr_store_state *state, uint64_t sequence,
                    struct gr_journal_tip *ret_tip, struct gr_err *err);

// The columns of a group, in the order in which gr_store_row_read expects them.
#define GR_STORE_COLUMNS                                                                           \
    "g.last, g.first, g.epoch, g.hash, g.aside, a.last, a.hash, a.bytes, g.payload"
// The tables that they come from.
#define GR_STORE_FROM " FROM groups g LEFT JOIN asides a ON a.last = g.last "

// Takes the group that the statement stands on and checks all but the chain: types, sizes, the
// aside. Its bytes are borrowed from the statement. Returns 0 or -EBADMSG, -ENOMEM.
int gr_store_row_read(sqlite3_stmt *stmt, struct gr_journal_group *ret_group,
                      uint8_t ret_hash[GR_HASH_SIZE], struct gr_err *err);

// Statements that add groups; the caller's memory.
struct gr_store_adder {
    sqlite3 *db;         // borrowed
    sqlite3_stmt *group; // NULL: not prepared
    sqlite3_stmt *aside; // as group
};

// Prepares them. On failure nothing is left behind.
int gr_store_adder_open(sqlite3 *db, struct gr_store_adder *ret_adder, struct gr_err *err);
// Adds a group within the caller's transaction. Returns 0; -ESTALE if the group before, or the
// epoch of the state, is not what the group continues; -errno.
int gr_store_add(struct gr_store_adder *adder, const struct gr_journal_group *group,
                 const uint8_t hash[GR_HASH_SIZE], uint32_t claimed, struct gr_err *err);
// Not opened is allowed.
void gr_store_adder_close(struct gr_store_adder *adder);
