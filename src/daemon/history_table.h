// The table behind history.h: STATE/history/ended.db (SQLite). Inside src/daemon.
//
// A row of `runs` is a run: jobs that were written together and whose ids lie in the same chunk of
// GR_HISTORY_CHUNK ids, ascending, as bytes (ended_bytes.h). So a row costs a job a few bytes, and
// the jobs of a chunk are found by looking through the runs between its first id and theirs: never
// more than the chunk has ids. `of_user` says in which runs a user has jobs.
//
//     runs(first, last, oldest_ms, rows)    least and greatest id; the earliest end; the bytes
//     of_user(user, first)
//     upto(one, sequence)                   see gr_history_upto
//
// Releases before kept a row a job, in a table `ended`: gr_history_table_open turns it into runs.
#pragma once

#include "daemon/history.h"

// Ids of a chunk.
#define GR_HISTORY_CHUNK 4096u

struct gr_history_table; // opaque: a connection that writes, one that reads

// A job that is to be written.
struct gr_history_row {
    uint64_t id;                  // the job's
    const struct gr_ended *ended; // borrowed
};

// Opens or makes DIR/ended.db; *ret_upto as it says. Blocks: an old table is turned into runs.
int gr_history_table_open(const char *dir, struct gr_history_table **ret_table, uint64_t *ret_upto,
                          struct gr_err *err);
// NULL is allowed.
void gr_history_table_close(struct gr_history_table *table);

// Writes jobs and how far the table is complete, durably, all or nothing; `rows` are sorted. For
// the thread that writes. Returns 0 or -errno.
int gr_history_table_write(struct gr_history_table *table, struct gr_history_row *rows,
                           uint32_t count, uint64_t upto, struct gr_err *err);
// Removes jobs that ended before `before_ms` from the next runs behind the one that begins with
// *after, which goes on; 0 when there are no more. For the thread that writes. Returns 0 or -errno.
int gr_history_table_prune(struct gr_history_table *table, int64_t before_ms, uint64_t *after,
                           struct gr_err *err);

// A job by id: 1, 0 if it is not there, or -errno. For the other thread.
int gr_history_table_find(struct gr_history_table *table, uint64_t job, struct gr_ended *ret_ended,
                          struct gr_err *err);
// See gr_history_list. For the other thread.
int gr_history_table_list(struct gr_history_table *table, const struct gr_history_query *query,
                          bool (*each)(void *context, const struct gr_ended *ended), void *context,
                          struct gr_err *err);
