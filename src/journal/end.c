// The journal's end: see end.h. SQLite drops a damaged log's tail without a word; here it is
// noticed.
#include "journal/end.h"

#include "journal/chain.h"
#include "journal/head.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define RESTORE "restore a backup into a new directory (docs/operate/backup.md)"

// The last group must give its own hash.
static int check_last(sqlite3 *db, const struct gr_store_state *state,
                      const struct gr_journal_tip *tip, struct gr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    struct gr_journal_group group = {0};
    uint8_t stored[GR_HASH_SIZE];
    int rc = gr_store_prepare(db, "SELECT " GR_STORE_COLUMNS GR_STORE_FROM "WHERE g.last = ?1",
                              &stmt, err);
    if (rc < 0) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, (int64_t)tip->sequence);
    int step = sqlite3_step(stmt);
    rc = step == SQLITE_ROW ? gr_store_row_read(stmt, &group, stored, err)
                            : gr_store_fail(db, err, GR_STORE_NAME);
    if (rc == 0) {
        struct gr_journal_tip before = {0};
        uint8_t hash[GR_HASH_SIZE];
        rc = gr_store_before(db, state, group.first, &before, err);
        if (rc == 0) {
            gr_chain_next(before.hash, &group, hash);
        }
        if (rc == 0 && (before.sequence != group.first - 1 || group.epoch < before.epoch ||
                        memcmp(hash, stored, GR_HASH_SIZE) != 0)) {
            rc = gr_fail(err, -EBADMSG,
                         "the journal's last group (sequences %" PRIu64 " to %" PRIu64
                         ") is damaged: its hash is wrong; %s",
                         group.first, group.last, RESTORE);
        }
    }
    sqlite3_finalize(stmt);
    return rc;
}

// The group that the head names must be there, with the same hash.
static int check_head(sqlite3 *db, const struct gr_store_state *state,
                      const struct gr_journal_tip *tip, const struct gr_journal_tip *head,
                      struct gr_err *err)
{
    struct gr_journal_tip at = {0};
    if (head->sequence > tip->sequence) {
        return gr_fail(err, -EBADMSG,
                       "the journal ends at sequence %" PRIu64 ", but %" PRIu64
                       " was durable: its tail is lost; %s",
                       tip->sequence, head->sequence, RESTORE);
    }
    int rc = gr_store_before(db, state, head->sequence + 1, &at, err);
    if (rc == 0 &&
        (at.sequence != head->sequence || memcmp(at.hash, head->hash, GR_HASH_SIZE) != 0)) {
        rc = gr_fail(err, -EBADMSG,
                     "the journal and its head file are not of the same history: they differ at "
                     "sequence %" PRIu64 "; %s",
                     head->sequence, RESTORE);
    }
    return rc;
}

// All but the reading of the head, within one transaction.
static int check(sqlite3 *db, bool has_head, bool no_head, const struct gr_journal_tip *head,
                 struct gr_store_state *state, struct gr_journal_tip *tip, struct gr_err *err)
{
    int rc = gr_store_state_read(db, state, err);
    if (rc == 0) {
        rc = gr_store_before(db, state, GR_STORE_SEQUENCE_MAX, tip, err);
    }
    if (rc == 0 && !has_head && state->epoch > 0 && !no_head) {
        rc = gr_fail(err, -EBADMSG,
                     "the head file is missing, so nobody knows whether the journal, which ends at "
                     "sequence %" PRIu64 ", lost its tail; %s",
                     tip->sequence, RESTORE);
    }
    if (rc == 0 && has_head) {
        rc = check_head(db, state, tip, head, err);
    }
    if (rc == 0 && tip->sequence > state->base.sequence) {
        rc = check_last(db, state, tip, err);
    }
    return rc;
}

int gr_end_check(const char *dir, sqlite3 *db, bool no_head, struct gr_store_state *ret_state,
                 struct gr_journal_tip *ret_tip, struct gr_journal_tip *ret_head,
                 struct gr_err *err)
{
    struct gr_store_state state = {0};
    struct gr_journal_tip tip = {0};
    struct gr_journal_tip newest = {0};
    struct gr_head head;
    // The head first: beside a writer the journal may only be newer than what is read here.
    int headed = gr_head_open(dir, false, &head, &newest, err);
    if (headed == 0) {
        gr_head_close(&head);
    } else if (headed != -ENOENT) {
        return headed;
    }
    int rc = gr_store_exec(db, "BEGIN", err); // one moment, also beside a seal
    if (rc == 0) {
        rc = check(db, headed == 0, no_head, &newest, &state, &tip, err);
        int ended = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
        if (rc == 0 && ended != SQLITE_OK) {
            rc = gr_store_fail(db, err, GR_STORE_NAME);
        }
    }
    if (rc < 0) {
        return gr_err_prefix(err, "%s", dir);
    }
    *ret_state = state;
    *ret_tip = tip;
    *ret_head = newest;
    return 0;
}
