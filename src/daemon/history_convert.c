// The table of jobs that ended as releases before kept it, a row a job, turned into runs. See
// history_table.h.
#include "daemon/history_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void read_row(sqlite3_stmt *stmt, struct gr_ended *ret_ended)
{
    int64_t v[26];
    for (int i = 0; i < 26; i++) {
        v[i] = sqlite3_column_int64(stmt, i);
    }
    *ret_ended = (struct gr_ended){.id = (uint64_t)v[0],
                                   .array = (uint64_t)v[1],
                                   .array_index = (uint32_t)v[2],
                                   .org = (uint32_t)v[3],
                                   .user = (uint32_t)v[4],
                                   .submitted_ms = v[5],
                                   .placed_ms = v[6],
                                   .ended_ms = v[7],
                                   .limit_ms = v[8],
                                   .demand = {.shape = {.cpu_milli = (uint32_t)v[9],
                                                        .memory_mib = (uint32_t)v[10],
                                                        .milli = (uint16_t)v[11],
                                                        .devices = (uint8_t)v[12]},
                                              .tasks = (uint32_t)v[13],
                                              .priority = (uint8_t)v[14],
                                              .use = (uint8_t)v[15]},
                                   .attempt = (uint32_t)v[16],
                                   .attempts = (uint32_t)v[17],
                                   .dropped = (uint32_t)v[18],
                                   .ending = {.outcome = (uint32_t)v[19],
                                              .began_ms = v[20],
                                              .cpu_ms = (uint64_t)v[21],
                                              .peak_kib = (uint64_t)v[22],
                                              .exit_code = (int32_t)v[23],
                                              .signal = (uint32_t)v[24],
                                              .task = (uint32_t)v[25]}};
    const char *text = (const char *)sqlite3_column_text(stmt, 26);
    snprintf(ret_ended->text, sizeof ret_ended->text, "%s", text == NULL ? "" : text);
}

// Writes the rows of one chunk after the other: `ended` and `rows` have room for one.
static int convert_rows(struct gr_history_table *table, sqlite3_stmt *stmt, struct gr_ended *ended,
                        struct gr_history_row *rows, struct gr_err *err)
{
    uint32_t count = 0;
    int rc = 0;
    int found = SQLITE_DONE;
    while (rc == 0 && (found = sqlite3_step(stmt)) == SQLITE_ROW) {
        uint64_t id = (uint64_t)sqlite3_column_int64(stmt, 0);
        if (count > 0 && rows[0].id / GR_HISTORY_CHUNK != id / GR_HISTORY_CHUNK) {
            rc = gr_history_add_runs(table, rows, count, err);
            count = 0;
        }
        read_row(stmt, &ended[count]);
        rows[count] = (struct gr_history_row){.id = id, .ended = &ended[count]};
        count++;
    }
    if (rc == 0 && found != SQLITE_DONE) {
        rc = gr_history_fail(table->write_db, "read the table of a release before", err);
    }
    return rc != 0 ? rc : gr_history_add_runs(table, rows, count, err);
}

static int convert(struct gr_history_table *table, struct gr_err *err)
{
    struct gr_ended *ended = malloc(GR_HISTORY_CHUNK * sizeof *ended);
    struct gr_history_row *rows = malloc(GR_HISTORY_CHUNK * sizeof *rows);
    sqlite3_stmt *stmt = NULL;
    int rc = ended == NULL || rows == NULL ? gr_fail(err, -ENOMEM, "no memory for the history") : 0;
    rc = rc != 0
             ? rc
             : gr_history_prepare(
                   table->write_db,
                   "SELECT id, array, array_index, org, user, submitted_ms, placed_ms, ended_ms,"
                   " limit_ms, cpu_milli, memory_mib, milli, devices, tasks, priority, use,"
                   " attempt, attempts, dropped, outcome, began_ms, cpu_ms, peak_kib, exit_code,"
                   " signal, task, text FROM ended WHERE id > 0 ORDER BY id",
                   &stmt, err);
    rc = rc != 0 ? rc : convert_rows(table, stmt, ended, rows, err);
    sqlite3_finalize(stmt);
    free(ended);
    free(rows);
    return rc != 0 ? rc : gr_history_run(table->write_db, "DROP TABLE ended", err);
}

int gr_history_convert(struct gr_history_table *table, struct gr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = gr_history_prepare(table->write_db,
                                "SELECT 1 FROM sqlite_schema WHERE name='ended' AND type='table'",
                                &stmt, err);
    bool is_there = rc == 0 && sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
    if (rc != 0 || !is_there) {
        return rc;
    }
    rc = gr_history_run(table->write_db, "BEGIN IMMEDIATE", err);
    if (rc != 0) {
        return rc;
    }
    rc = convert(table, err);
    rc = rc != 0 ? rc : gr_history_run(table->write_db, "COMMIT", err);
    if (rc != 0) {
        (void)gr_history_run(table->write_db, "ROLLBACK", NULL);
    }
    return rc;
}
