// Reading a journal: see journal.h. A reader holds no lock between two calls, so that it never
// keeps the log of a running writer from beginning anew.
#include "journal/journal.h"

#include "journal/chain.h"
#include "journal/sealed.h"
#include "journal/store.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RESTORE "restore a backup into a new directory (docs/operate/backup.md)"

struct gr_journal_reader {
    char *dir;
    sqlite3 *db;
    sqlite3_stmt *select;        // the group that ends at or after ?1
    struct gr_store_state state; // as it was read last: seals move the base
    struct gr_journal_tip at;    // the group that was read last, or that is before the first
    struct gr_sealed *part;      // open part; NULL: none
    struct gr_sealed_name name;  // of the open part
    struct gr_sealed_room room;  // bytes of the group that was given out
};

// --- sealed parts

// Opens the part that holds the sequence. -ENODATA if it was moved away.
static int open_part(struct gr_journal_reader *reader, uint64_t sequence, struct gr_err *err)
{
    struct gr_sealed_name *names = NULL;
    size_t count = 0;
    if (reader->part != NULL && sequence >= reader->name.first && sequence <= reader->name.last) {
        return 0;
    }
    int rc = gr_sealed_list(reader->dir, &names, &count, err);
    if (rc < 0) {
        return rc;
    }
    gr_sealed_close(reader->part);
    reader->part = NULL;
    rc = gr_fail(err, -ENODATA,
                 "%s: sequence %" PRIu64 " lies in a sealed part that was moved away; put the part "
                 "back into %s/" GR_SEALED_DIR,
                 reader->dir, sequence, reader->dir);
    for (size_t i = 0; i < count; i++) {
        // What lies beyond the base is left from a seal that was stopped: the file still has it.
        if (sequence >= names[i].first && sequence <= names[i].last &&
            names[i].last <= reader->state.base.sequence) {
            reader->name = names[i];
            rc = gr_sealed_open(reader->dir, &names[i], &reader->part, err);
            break;
        }
    }
    free(names);
    return rc;
}

static int read_sealed(struct gr_journal_reader *reader, uint64_t sequence,
                       struct gr_journal_group *group, uint8_t hash[GR_HASH_SIZE],
                       struct gr_err *err)
{
    uint64_t index = 0;
    int rc = open_part(reader, sequence, err);
    if (rc == 0) {
        rc = gr_sealed_find(reader->part, sequence, &index, err);
    }
    if (rc == 0) {
        rc = gr_sealed_read(reader->part, index, &reader->room, group, hash, err);
    }
    if (rc == 0 && (sequence < group->first || sequence > group->last)) {
        rc = gr_fail(err, -EBADMSG,
                     "%s: the index of the sealed part with sequence %" PRIu64 " is damaged",
                     reader->dir, sequence);
    }
    return rc < 0 ? rc : 1;
}

// The end before the sealed group that holds the sequence.
static int before_sealed(struct gr_journal_reader *reader, uint64_t sequence,
                         struct gr_journal_tip *ret_tip, struct gr_err *err)
{
    uint64_t index = 0;
    struct gr_journal_group group = {0};
    int rc = open_part(reader, sequence, err);
    if (rc == 0) {
        rc = gr_sealed_find(reader->part, sequence, &index, err);
    }
    if (rc < 0) {
        return rc;
    }
    struct gr_journal_tip tip = gr_sealed_before(reader->part);
    if (index > 0) {
        rc = gr_sealed_read(reader->part, index - 1, &reader->room, &group, tip.hash, err);
        tip.sequence = group.last;
        tip.epoch = group.epoch;
    }
    if (rc == 0) {
        *ret_tip = tip;
    }
    return rc;
}

// --- the file

// Copies the row's bytes, so that the statement, and its lock, can end.
static int keep_row(struct gr_journal_reader *reader, struct gr_journal_group *group,
                    uint8_t hash[GR_HASH_SIZE], struct gr_err *err)
{
    struct gr_journal_group row;
    int rc = gr_store_row_read(reader->select, &row, hash, err);
    if (rc == 0) {
        rc = gr_sealed_room_grow(&reader->room, row.payload_size + row.aside_size, err);
    }
    if (rc < 0) {
        return rc;
    }
    memcpy(reader->room.bytes, row.payload, row.payload_size);
    row.payload = reader->room.bytes;
    if (row.aside_size > 0) {
        memcpy(reader->room.bytes + row.payload_size, row.aside, row.aside_size);
        row.aside = reader->room.bytes + row.payload_size;
    }
    *group = row;
    return 1;
}

// The first group that ends at or after the sequence. Returns 1, 0 if there is none, or -errno.
static int read_stored(struct gr_journal_reader *reader, uint64_t sequence,
                       struct gr_journal_group *group, uint8_t hash[GR_HASH_SIZE],
                       struct gr_err *err)
{
    sqlite3_bind_int64(reader->select, 1, (int64_t)sequence);
    int step = sqlite3_step(reader->select);
    int rc = 0;
    if (step == SQLITE_ROW) {
        rc = keep_row(reader, group, hash, err);
    } else if (step != SQLITE_DONE) {
        rc = gr_store_fail(reader->db, err, reader->dir);
    }
    sqlite3_reset(reader->select);
    return rc;
}

// The group that holds the sequence, wherever it is. Returns 1, 0 if it is not written yet,
// -ENODATA if it was moved away.
static int read_holding(struct gr_journal_reader *reader, uint64_t sequence,
                        struct gr_journal_group *group, uint8_t hash[GR_HASH_SIZE],
                        struct gr_err *err)
{
    if (sequence <= reader->state.base.sequence) {
        return read_sealed(reader, sequence, group, hash, err);
    }
    int rc = read_stored(reader, sequence, group, hash, err);
    if (rc < 0 || (rc == 1 && group->first <= sequence)) {
        return rc;
    }
    // Not there: was it sealed meanwhile?
    int again = gr_store_state_read(reader->db, &reader->state, err);
    if (again < 0) {
        return again;
    }
    if (sequence <= reader->state.base.sequence) {
        return read_sealed(reader, sequence, group, hash, err);
    }
    if (rc == 1) {
        return gr_fail(err, -EBADMSG,
                       "%s: the journal is damaged: sequences %" PRIu64 " to %" PRIu64
                       " are missing; %s",
                       reader->dir, sequence, group->first - 1, RESTORE);
    }
    return 0;
}

// --- the reader

// Finds the end before the group that holds `from`, which is where the reader begins.
static int seek(struct gr_journal_reader *reader, uint64_t from, struct gr_err *err)
{
    struct gr_journal_group group = {0};
    uint8_t hash[GR_HASH_SIZE];
    int rc = gr_store_state_read(reader->db, &reader->state, err);
    if (rc == 0 && from <= reader->state.base.sequence) {
        return before_sealed(reader, from, &reader->at, err);
    }
    if (rc == 0) {
        rc = read_holding(reader, from, &group, hash, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (rc == 1 && from <= reader->state.base.sequence) { // sealed at this moment
        return before_sealed(reader, from, &reader->at, err);
    }
    bool is_there = rc == 1;
    rc = gr_store_before(reader->db, &reader->state, is_there ? group.first : from, &reader->at,
                         err);
    if (rc == 0 && !is_there && from != reader->at.sequence + 1) {
        rc = gr_fail(err, -ERANGE,
                     "%s: the journal ends at sequence %" PRIu64
                     ", reading was to begin at %" PRIu64,
                     reader->dir, reader->at.sequence, from);
    }
    return rc;
}

int gr_journal_reader_open(const char *dir, uint64_t from, struct gr_journal_reader **ret_reader,
                           struct gr_err *err)
{
    assert(dir != NULL && ret_reader != NULL);
    assert(from >= 1);
    struct gr_journal_reader *reader = calloc(1, sizeof *reader);
    char *copy = strdup(dir);
    if (reader == NULL || copy == NULL) {
        free(reader);
        free(copy);
        return gr_fail(err, -ENOMEM, "%s: no memory to read the journal", dir);
    }
    reader->dir = copy;
    int rc = from >= GR_STORE_SEQUENCE_MAX
                 ? gr_fail(err, -ERANGE, "%s: no journal reaches sequence %" PRIu64, dir, from)
                 : gr_store_open(dir, GR_STORE_READ, &reader->db, err);
    if (rc == 0) {
        rc = gr_store_prepare(reader->db,
                              "SELECT " GR_STORE_COLUMNS GR_STORE_FROM
                              "WHERE g.last >= ?1 ORDER BY g.last LIMIT 1",
                              &reader->select, err);
    }
    if (rc == 0) {
        rc = seek(reader, from, err);
    }
    if (rc < 0) {
        gr_journal_reader_close(reader);
        return rc;
    }
    *ret_reader = reader;
    return 0;
}

void gr_journal_reader_close(struct gr_journal_reader *reader)
{
    if (reader != NULL) {
        gr_sealed_close(reader->part);
        sqlite3_finalize(reader->select);
        gr_store_close(reader->db);
        free(reader->room.bytes);
        free(reader->dir);
        free(reader);
    }
}

int gr_journal_reader_next(struct gr_journal_reader *reader, struct gr_journal_group *ret_group,
                           struct gr_err *err)
{
    struct gr_journal_group group = {0};
    uint8_t stored[GR_HASH_SIZE];
    uint8_t hash[GR_HASH_SIZE];
    const struct gr_journal_tip *at = &reader->at;
    int rc = read_holding(reader, at->sequence + 1, &group, stored, err);
    if (rc <= 0) {
        return rc;
    }
    gr_chain_next(at->hash, &group, hash);
    if (group.first != at->sequence + 1 || group.epoch < at->epoch ||
        memcmp(hash, stored, GR_HASH_SIZE) != 0) {
        return gr_fail(err, -EBADMSG,
                       "%s: the journal is damaged at sequence %" PRIu64
                       ": the group of sequences %" PRIu64 " to %" PRIu64
                       " does not continue the hash chain; %s",
                       reader->dir, at->sequence + 1, group.first, group.last, RESTORE);
    }
    reader->at.sequence = group.last;
    reader->at.epoch = group.epoch;
    memcpy(reader->at.hash, hash, GR_HASH_SIZE);
    *ret_group = group;
    return 1;
}

void gr_journal_reader_hash(const struct gr_journal_reader *reader, uint8_t ret_hash[GR_HASH_SIZE])
{
    memcpy(ret_hash, reader->at.hash, GR_HASH_SIZE);
}

int gr_journal_reader_find(struct gr_journal_reader *reader, uint64_t sequence,
                           struct gr_journal_group *ret_group, struct gr_err *err)
{
    uint8_t hash[GR_HASH_SIZE];
    assert(sequence >= 1);
    if (sequence >= GR_STORE_SEQUENCE_MAX) {
        return 0;
    }
    int rc = read_holding(reader, sequence, ret_group, hash, err);
    return rc == -ENODATA ? 0 : rc;
}
