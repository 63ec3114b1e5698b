// Jobs that ended, for as long as somebody may ask: a table in STATE/history, filled by a thread of
// its own from what the pool tells it. It follows from the journal: nothing in it is the truth.
// All of this is for one other thread.
//
// It says up to which fact it is complete and durable (gr_history_upto); snapshots are not made
// beyond that, so that a start tells it again whatever it may have missed.
#pragma once

#include "base/err.h"
#include "daemon/ended.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gr_history; // opaque; has a thread that writes

// Opens or makes DIR/history. Rows older than `keep_days` are removed now and then, by the time
// that gr_history_now told, and not before it did; 0: never.
int gr_history_open(const char *dir, uint32_t keep_days, struct gr_history **ret_history,
                    struct gr_err *err);
// Writes what is left, ends the thread. NULL is allowed.
void gr_history_close(struct gr_history *history);
// Tells what time it is to the pool, Unix milliseconds. Cheap.
void gr_history_now(struct gr_history *history, int64_t now_ms);
// Tells of a job that ended with fact `sequence`, later than those told before. It is copied now,
// and written once gr_history_told says that its fact is durable. False: no memory, or too much
// waits; then gr_history_upto stops before this fact until the next start.
bool gr_history_add(struct gr_history *history, uint64_t sequence, const struct gr_ended *ended);
// Says that all jobs that ended up to fact `sequence` were told, and that it is durable.
void gr_history_told(struct gr_history *history, uint64_t sequence);
// Sequence up to which everything told is durable.
uint64_t gr_history_upto(const struct gr_history *history);
// Rows that wait to be written, as a part of what may wait, in percent.
unsigned gr_history_waiting_percent(const struct gr_history *history);
// What went wrong with the table, or "": the pool goes on without it. Copied.
void gr_history_problem(struct gr_history *history, char *ret_text, size_t size);

// A job by id, also one that is told and not written yet. Returns 1, 0 if it is not there, or
// -errno. Blocks for a look-up.
int gr_history_find(struct gr_history *history, uint64_t job, struct gr_ended *ret_ended,
                    struct gr_err *err);
// Calls `each` for every job that was told, ended after fact `above` and was not seen to be written
// yet, as they were told; it returns false to stop. Does not block.
void gr_history_list_waiting(const struct gr_history *history, uint64_t above,
                             bool (*each)(void *context, const struct gr_ended *ended),
                             void *context);

// What gr_history_list lists.
struct gr_history_query {
    uint64_t below; // ids below this
    uint32_t user;  // UINT32_MAX: any
    uint32_t org;   // UINT32_MAX: any
    uint32_t most;  // rows
    uint32_t looks; // rows that are looked at, whosever they are, before it ends; some more at the
                    // most. 0: all
    uint64_t *ret_below; // ids below this were left for want of looks; 0: none were. Or NULL
};
// Calls `each` for ended jobs, greatest ids first; it returns false to stop. Returns 0 or -errno.
int gr_history_list(struct gr_history *history, const struct gr_history_query *query,
                    bool (*each)(void *context, const struct gr_ended *ended), void *context,
                    struct gr_err *err);
