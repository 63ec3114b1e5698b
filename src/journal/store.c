// The journal's SQLite file: see store.h.
//
// Connections never check point when they are closed and readers are read-only, so that a damaged
// log is still there for whoever looks at it. Memory mapping stays off: an input error must be an
// error code, not a signal.
#include "journal/store.h"

#include "journal/chain.h"
#include "journal/disk.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    APPLICATION = 0x67726a6e, // "grjn": PRAGMA application_id
    FORMAT = 2,               // PRAGMA user_version; docs/formats/journal.md has its history
    BUSY_MS = 10000,          // how long another connection's short lock is waited for
};

#define RESTORE "restore a backup into a new directory (docs/operate/backup.md)"

// The tables, as they stand in the file. The order is that of their names.
static const char *const tables[] = {
    "CREATE TABLE asides(last INTEGER PRIMARY KEY, hash BLOB NOT NULL, bytes BLOB NOT NULL)",
    "CREATE TABLE groups(last INTEGER PRIMARY KEY, first INTEGER NOT NULL, epoch INTEGER NOT NULL, "
    "hash BLOB NOT NULL, aside INTEGER NOT NULL, payload BLOB NOT NULL)",
    "CREATE TABLE state(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, base INTEGER NOT NULL, "
    "base_epoch INTEGER NOT NULL, base_hash BLOB NOT NULL, hash BLOB NOT NULL)",
};

enum { TABLE_COUNT = sizeof tables / sizeof tables[0] };

// --- errors

static int code_of(sqlite3 *db)
{
    int extended = sqlite3_extended_errcode(db);
    int system = sqlite3_system_errno(db);
    bool is_full = system == ENOSPC || system == EDQUOT;
    switch (extended) {
    case SQLITE_IOERR_NOMEM:
        return -ENOMEM;
    case SQLITE_IOERR_WRITE: // a quota; for a full disk it says SQLITE_FULL
    case SQLITE_IOERR_SHMSIZE:
    case SQLITE_IOERR_SHMMAP:
        return is_full ? -ENOSPC : -EIO;
    }
    switch (extended & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR: // our statements are right, so the tables are not
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
        return -EBADMSG;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_PERM:
    case SQLITE_READONLY:
        return -EACCES;
    }
    return -EIO;
}

int gr_store_fail(sqlite3 *db, struct gr_err *err, const char *what)
{
    if (db == NULL) {
        return gr_fail(err, -ENOMEM, "%s: no memory", what);
    }
    int code = code_of(db);
    const char *reason = sqlite3_errmsg(db);
    if (code == -EBADMSG) {
        return gr_fail(err, code, "%s: the file is damaged (%s); %s", what, reason, RESTORE);
    }
    if (code == -ENOSPC) {
        return gr_fail(err, code, "%s: no room is left (disk, quota or limit of the journal)",
                       what);
    }
    int system = sqlite3_system_errno(db);
    return gr_fail(err, code, "%s: %s%s%s", what, reason, system == 0 ? "" : ": ",
                   system == 0 ? "" : strerror(system));
}

int gr_store_exec(sqlite3 *db, const char *sql, struct gr_err *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return gr_store_fail(db, err, GR_STORE_NAME);
    }
    return 0;
}

int gr_store_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, struct gr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK) {
        return gr_store_fail(db, err, GR_STORE_NAME);
    }
    *ret_stmt = stmt;
    return 0;
}

// --- opening

// Writes "file:PATH" with what a URI gives a meaning escaped.
static int uri_of(const char *path, const char *query, char *uri, size_t size, struct gr_err *err)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t at = (size_t)snprintf(uri, size, "file:");
    for (const char *c = path; *c != '\0' && at + 4 < size; c++) {
        unsigned char byte = (unsigned char)*c;
        if (strchr("%?#", *c) != NULL || byte < 0x21 || byte > 0x7e) {
            uri[at++] = '%';
            uri[at++] = digits[byte >> 4];
            uri[at++] = digits[byte & 15];
        } else {
            uri[at++] = *c;
        }
    }
    if (at + strlen(query) + 5 > size) {
        return gr_fail(err, -ENAMETOOLONG, "%.200s...: the path is too long", path);
    }
    (void)snprintf(uri + at, size - at, "%s", query);
    return 0;
}

// Whether the log holds anything, or might.
static bool has_log(const char *path)
{
    char log[GR_DISK_PATH_SIZE + 8];
    struct stat st;
    (void)snprintf(log, sizeof log, "%s-wal", path);
    return lstat(log, &st) == 0 && st.st_size > 0;
}

// Connects to DIR/NAME. The directory's own path may hold links, the file may not be one.
static int connect_to(const char *dir, const char *name, int flags, sqlite3 **ret_db,
                      struct gr_err *err)
{
    char path[GR_DISK_PATH_SIZE];
    char uri[3 * GR_DISK_PATH_SIZE];
    char *real = realpath(dir, NULL);
    if (real == NULL) {
        return gr_fail_errno(err, "%s", dir);
    }
    // Beside an unwritable directory there is no place for the log's index. If there is no log
    // either, nobody writes, and SQLite may be told so.
    int rc = gr_disk_path(real, name, path, err);
    bool is_still =
        rc == 0 && (flags & SQLITE_OPEN_READONLY) != 0 && access(real, W_OK) < 0 && !has_log(path);
    free(real);
    if (rc == 0) {
        rc = uri_of(path, is_still ? "?immutable=1" : "", uri, sizeof uri, err);
    }
    if (rc < 0) {
        return rc;
    }
    sqlite3 *db = NULL;
    flags |= SQLITE_OPEN_URI | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(uri, &db, flags, NULL) != SQLITE_OK) {
        rc = gr_store_fail(db, err, path);
        sqlite3_close(db);
        return rc;
    }
    sqlite3_busy_timeout(db, BUSY_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    *ret_db = db;
    return 0;
}

static int one_number(sqlite3 *db, const char *sql, int64_t *ret_value, struct gr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = gr_store_prepare(db, sql, &stmt, err);
    if (rc < 0) {
        return rc;
    }
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        *ret_value = sqlite3_column_int64(stmt, 0);
    } else {
        rc = gr_store_fail(db, err, GR_STORE_NAME);
    }
    sqlite3_finalize(stmt);
    return rc;
}

// The tables must be ours to the letter: no trigger, index or view that does more.
static int check_tables(sqlite3 *db, struct gr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = gr_store_prepare(db, "SELECT sql FROM sqlite_schema ORDER BY name", &stmt, err);
    if (rc < 0) {
        return rc;
    }
    size_t count = 0;
    bool is_ours = true;
    int step;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *sql = (const char *)sqlite3_column_text(stmt, 0);
        is_ours = is_ours && count < TABLE_COUNT && sql != NULL && strcmp(sql, tables[count]) == 0;
        count++;
    }
    if (step != SQLITE_DONE) {
        rc = gr_store_fail(db, err, GR_STORE_NAME);
    } else if (!is_ours || count != TABLE_COUNT) {
        rc = gr_fail(err, -EBADMSG, "%s: its tables are not a journal's; %s", GR_STORE_NAME,
                     RESTORE);
    }
    sqlite3_finalize(stmt);
    return rc;
}

static int check_format(sqlite3 *db, struct gr_err *err)
{
    int64_t application = 0;
    int64_t format = 0;
    int rc = one_number(db, "PRAGMA application_id", &application, err);
    if (rc == 0) {
        rc = one_number(db, "PRAGMA user_version", &format, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (application != APPLICATION || format < 1) {
        return gr_fail(err, -EBADMSG, "%s: this is no journal of granary", GR_STORE_NAME);
    }
    if (format > FORMAT) {
        return gr_fail(err, -EPROTO,
                       "%s: its format is %lld and this build knows %d; use the newer granary",
                       GR_STORE_NAME, (long long)format, FORMAT);
    }
    return check_tables(db, err);
}

int gr_store_open(const char *dir, enum gr_store_use use, sqlite3 **ret_db, struct gr_err *err)
{
    char path[GR_DISK_PATH_SIZE];
    int rc = gr_disk_path(dir, GR_STORE_NAME, path, err);
    if (rc < 0) {
        return rc;
    }
    if (!gr_disk_exists(path)) {
        return errno == ENOENT || errno == ENOTDIR
                   ? gr_fail(err, -ENOENT, "%s: there is no journal here", dir)
                   : gr_fail_errno(err, "open %s", path);
    }
    sqlite3 *db = NULL;
    rc = connect_to(dir, GR_STORE_NAME,
                    use == GR_STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, &db, err);
    if (rc < 0) {
        return rc;
    }
    rc = gr_store_exec(
        db,
        "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA mmap_size=0;"
        "PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; PRAGMA cache_size=-4096",
        err);
    if (rc == 0) {
        rc = check_format(db, err);
    }
    if (rc < 0) {
        sqlite3_close(db);
        return gr_err_prefix(err, "%s", dir);
    }
    *ret_db = db;
    return 0;
}

void gr_store_close(sqlite3 *db)
{
    int rc = sqlite3_close(db);
    assert(rc == SQLITE_OK); // no statement is left
    (void)rc;
}

// --- making

static int fill_new(sqlite3 *db, const struct gr_store_state *state, struct gr_err *err)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA page_size=%d; PRAGMA synchronous=FULL; PRAGMA auto_vacuum=NONE;"
                   "PRAGMA application_id=%d; PRAGMA user_version=%d; BEGIN",
                   GR_STORE_PAGE_SIZE, APPLICATION, FORMAT);
    int rc = gr_store_exec(db, sql, err);
    for (size_t i = 0; rc == 0 && i < TABLE_COUNT; i++) {
        rc = gr_store_exec(db, tables[i], err);
    }
    if (rc == 0) {
        rc = gr_store_state_write(db, state, err);
    }
    if (rc == 0) {
        rc = gr_store_exec(db, "COMMIT; PRAGMA journal_mode=WAL", err);
    }
    return rc;
}

int gr_store_create(const char *dir, const struct gr_store_state *state, struct gr_err *err)
{
    static const char *const leftovers[] = {GR_STORE_NAME ".new", GR_STORE_NAME ".new-journal",
                                            GR_STORE_NAME ".new-wal", GR_STORE_NAME ".new-shm"};
    char path[GR_DISK_PATH_SIZE];
    for (size_t i = 0; i < sizeof leftovers / sizeof leftovers[0]; i++) {
        int rc = gr_disk_path(dir, leftovers[i], path, err);
        rc = rc < 0 ? rc : gr_disk_remove(path, err);
        if (rc < 0) {
            return rc;
        }
    }
    sqlite3 *db = NULL;
    int rc =
        connect_to(dir, GR_STORE_NAME ".new", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db, err);
    if (rc < 0) {
        return rc;
    }
    rc = fill_new(db, state, err);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    sqlite3_close(db);
    if (rc == 0) {
        rc = gr_disk_rename(dir, GR_STORE_NAME ".new", GR_STORE_NAME, err);
    }
    return rc < 0 ? gr_err_prefix(err, "%s", dir) : 0;
}

// --- the row of `state`

static void state_hash(const struct gr_store_state *state, uint8_t ret_hash[GR_HASH_SIZE])
{
    uint8_t numbers[24];
    struct gr_hash hash;
    gr_disk_put64(numbers, state->epoch);
    gr_disk_put64(numbers + 8, state->base.sequence);
    gr_disk_put64(numbers + 16, state->base.epoch);
    gr_hash_init(&hash);
    gr_hash_add(&hash, numbers, sizeof numbers);
    gr_hash_add(&hash, state->base.hash, GR_HASH_SIZE);
    gr_hash_end(&hash, ret_hash);
}

// Copies a column that must be a hash.
static bool take_hash(sqlite3_stmt *stmt, int column, uint8_t ret_hash[GR_HASH_SIZE])
{
    const void *bytes = sqlite3_column_blob(stmt, column);
    if (bytes == NULL || sqlite3_column_bytes(stmt, column) != GR_HASH_SIZE) {
        return false;
    }
    memcpy(ret_hash, bytes, GR_HASH_SIZE);
    return true;
}

// Takes a column that must be a whole number in 0..most.
static bool take_number(sqlite3_stmt *stmt, int column, uint64_t most, uint64_t *ret_value)
{
    int64_t value = sqlite3_column_int64(stmt, column);
    if (sqlite3_column_type(stmt, column) != SQLITE_INTEGER || value < 0 ||
        (uint64_t)value > most) {
        return false;
    }
    *ret_value = (uint64_t)value;
    return true;
}

// Decodes the row; false if it is not what was written.
static bool state_decode(sqlite3_stmt *stmt, struct gr_store_state *state)
{
    uint64_t epoch = 0;
    uint64_t base_epoch = 0;
    uint8_t stored[GR_HASH_SIZE];
    uint8_t expected[GR_HASH_SIZE];
    if (!take_number(stmt, 0, UINT32_MAX, &epoch) ||
        !take_number(stmt, 1, INT64_MAX, &state->base.sequence) ||
        !take_number(stmt, 2, UINT32_MAX, &base_epoch) || !take_hash(stmt, 3, state->base.hash) ||
        !take_hash(stmt, 4, stored)) {
        return false;
    }
    state->epoch = (uint32_t)epoch;
    state->base.epoch = (uint32_t)base_epoch;
    state_hash(state, expected);
    return memcmp(stored, expected, GR_HASH_SIZE) == 0;
}

int gr_store_state_read(sqlite3 *db, struct gr_store_state *ret_state, struct gr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    struct gr_store_state state = {0};
    int rc = gr_store_prepare(
        db, "SELECT epoch, base, base_epoch, base_hash, hash FROM state WHERE id = 1", &stmt, err);
    if (rc < 0) {
        return rc;
    }
    int step = sqlite3_step(stmt);
    if (step == SQLITE_ROW && state_decode(stmt, &state)) {
        *ret_state = state;
    } else if (step == SQLITE_ROW || step == SQLITE_DONE) {
        rc = sqlite3_errcode(db) == SQLITE_NOMEM
                 ? gr_store_fail(db, err, GR_STORE_NAME)
                 : gr_fail(err, -EBADMSG, "%s: the row with its epoch and base is damaged; %s",
                           GR_STORE_NAME, RESTORE);
    } else {
        rc = gr_store_fail(db, err, GR_STORE_NAME);
    }
    sqlite3_finalize(stmt);
    return rc;
}

int gr_store_state_write(sqlite3 *db, const struct gr_store_state *state, struct gr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    uint8_t hash[GR_HASH_SIZE];
    int rc = gr_store_prepare(db, "INSERT OR REPLACE INTO state VALUES(1, ?1, ?2, ?3, ?4, ?5)",
                              &stmt, err);
    if (rc < 0) {
        return rc;
    }
    state_hash(state, hash);
    sqlite3_bind_int64(stmt, 1, (int64_t)state->epoch);
    sqlite3_bind_int64(stmt, 2, (int64_t)state->base.sequence);
    sqlite3_bind_int64(stmt, 3, (int64_t)state->base.epoch);
    sqlite3_bind_blob(stmt, 4, state->base.hash, GR_HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 5, hash, GR_HASH_SIZE, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE) {
        rc = gr_store_fail(db, err, GR_STORE_NAME);
    }
    sqlite3_finalize(stmt);
    return rc;
}

int gr_store_claim(sqlite3 *db, const struct gr_store_state *state, struct gr_err *err)
{
    char sql[64];
    (void)snprintf(sql, sizeof sql, "BEGIN IMMEDIATE; PRAGMA user_version=%d", FORMAT);
    int rc = gr_store_exec(db, sql, err);
    if (rc == 0) {
        rc = gr_store_state_write(db, state, err);
    }
    return rc == 0 ? gr_store_exec(db, "COMMIT", err) : rc; // closing undoes what was begun
}

int gr_store_before(sqlite3 *db, const struct gr_store_state *state, uint64_t sequence,
                    struct gr_journal_tip *ret_tip, struct gr_err *err)
{
    assert(sequence <= GR_STORE_SEQUENCE_MAX);
    sqlite3_stmt *stmt = NULL;
    int rc = gr_store_prepare(
        db, "SELECT last, epoch, hash FROM groups WHERE last < ?1 ORDER BY last DESC LIMIT 1",
        &stmt, err);
    if (rc < 0) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, (int64_t)sequence);
    int step = sqlite3_step(stmt);
    uint64_t epoch = 0;
    struct gr_journal_tip tip = state->base;
    if (step == SQLITE_ROW &&
        (!take_number(stmt, 0, GR_STORE_SEQUENCE_MAX - 1, &tip.sequence) ||
         !take_number(stmt, 1, UINT32_MAX, &epoch) || !take_hash(stmt, 2, tip.hash))) {
        rc = gr_fail(err, -EBADMSG, "%s: the last group before sequence %" PRIu64 " is damaged; %s",
                     GR_STORE_NAME, sequence, RESTORE);
    } else if (step == SQLITE_ROW) {
        tip.epoch = (uint32_t)epoch;
    } else if (step != SQLITE_DONE) {
        rc = gr_store_fail(db, err, GR_STORE_NAME);
    }
    sqlite3_finalize(stmt);
    if (rc == 0) {
        *ret_tip = tip;
    }
    return rc;
}
