// What the files behind history_table.h share. For them alone.
#pragma once

#include "daemon/history_table.h"

#include <sqlite3.h>

// A user who has jobs in the run that is written.
struct gr_history_seen {
    uint64_t run;  // which one, counted; another: the entry is free
    uint32_t user; // index
};
// Entries of the set of them: twice what a run can hold.
#define GR_HISTORY_SEEN (2 * GR_HISTORY_CHUNK)

// See history_table.h.
struct gr_history_table {
    sqlite3 *write_db, *read_db;                       // of the thread that writes, of the other
    sqlite3_stmt *add_run, *has_run, *add_user, *mark; // of write_db
    sqlite3_stmt *find;                                // of read_db
    uint64_t run;                                      // runs written by this process
    struct gr_history_seen *seen;                      // GR_HISTORY_SEEN
    uint8_t *bytes;                                    // room for a run
};

// An error of SQLite with what was tried. Returns -EIO.
int gr_history_fail(sqlite3 *db, const char *what, struct gr_err *err);
// Prepares a statement; the caller's to finalize, NULL on failure.
int gr_history_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, struct gr_err *err);
// Runs statements that give nothing back.
int gr_history_run(sqlite3 *db, const char *sql, struct gr_err *err);
// Writes rows that are sorted by id, as runs; of those that are there already, some once more: all
// that is there stays. In a transaction of the caller's.
int gr_history_add_runs(struct gr_history_table *table, const struct gr_history_row *rows,
                        uint32_t count, struct gr_err *err);
// Reads the bytes of a run and calls `each` for its jobs, in order, until it returns false. 0 or
// -EIO: the bytes are damaged.
int gr_history_run_read(const void *bytes, size_t size,
                        bool (*each)(void *context, const struct gr_ended *ended), void *context,
                        struct gr_err *err);
// Turns the table of releases before into runs and removes it, all or nothing; nothing is done if
// it is not there.
int gr_history_convert(struct gr_history_table *table, struct gr_err *err);
