// Verify, seal, backup and restore: nothing is lost, and what is damaged is named.
#include "journal/fixture.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

static int setup(void **state)
{
    struct fixture *fixture = malloc(sizeof *fixture);
    assert_non_null(fixture);
    fixture_init(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_done(*state);
    free(*state);
    return 0;
}

// Groups of 10 facts.
static void write_groups(struct fixture *f, unsigned groups)
{
    struct gr_journal *journal = fixture_open(f);
    for (unsigned i = 0; i < groups; i++) {
        assert_int_equal(fixture_append(f, journal, 10, 500 + 300 * i, i % 3 * 2000), 1);
    }
    gr_journal_close(journal);
}

static struct gr_journal_verified verify(struct fixture *f, const char *dir)
{
    struct gr_journal_verified verified;
    int rc = gr_journal_verify(dir, NULL, NULL, &verified, &f->err);
    if (rc != 0) {
        fail_msg("%d: %s", rc, f->err.text);
    }
    return verified;
}

static int verify_code(struct fixture *f, const char *dir)
{
    struct gr_journal_verified verified;
    return gr_journal_verify(dir, NULL, NULL, &verified, &f->err);
}

// Runs SQL on the journal's file, as damage.
static void run_sql(struct fixture *f, const char *sql)
{
    char path[120];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/journal.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

// The format that the file says it has.
static int user_version(struct fixture *f)
{
    char path[120];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    snprintf(path, sizeof path, "%s/journal.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return version;
}

static void part_path(struct fixture *f, const char *dir, int first, int last, char path[200])
{
    (void)f;
    snprintf(path, 200, "%s/sealed/%020d-%020d.sealed", dir, first, last);
}

static void verify_counts_what_is_there(void **state)
{
    struct fixture *f = *state;
    gr_journal_close(fixture_open(f));
    struct gr_journal_verified found = verify(f, f->dir);
    assert_int_equal(found.first, 0);
    assert_int_equal(found.last, 0);
    assert_true(found.is_whole);
    write_groups(f, 4);
    found = verify(f, f->dir);
    assert_int_equal(found.first, 1);
    assert_int_equal(found.last, 40);
    assert_int_equal(found.groups, 4);
    assert_int_equal(found.payload_bytes, 4 * 500 + 6 * 300);
    assert_int_equal(found.aside_bytes, 2000 + 4000);
    assert_int_equal(found.parts, 0);
    assert_true(found.is_whole);
    assert_int_equal(verify_code(f, f->other), -ENOENT);
}

static void verify_runs_beside_a_writer(void **state)
{
    struct fixture *f = *state;
    struct gr_journal *journal = fixture_open(f);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(fixture_append(f, journal, 10, 9000, 0), 1);
        assert_int_equal(verify(f, f->dir).last, 10 * i);
    }
    gr_journal_close(journal);
}

static void a_changed_group_is_named(void **state)
{
    struct fixture *f = *state;
    static const char *const changes[] = {
        "UPDATE groups SET payload = zeroblob(length(payload)) WHERE last = 20",
        "UPDATE groups SET epoch = 0 WHERE last = 20",
        "UPDATE groups SET first = 12 WHERE last = 20",
        "UPDATE groups SET hash = zeroblob(32) WHERE last = 20",
        "UPDATE groups SET aside = 0 WHERE last = 20",
        "DELETE FROM asides WHERE last = 20",
        "UPDATE asides SET bytes = zeroblob(2000) WHERE last = 20",
        "UPDATE groups SET payload = 'text' WHERE last = 20",
        "UPDATE groups SET payload = zeroblob(0) WHERE last = 20",
        "DELETE FROM groups WHERE last = 20",
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        write_groups(f, 4);
        assert_int_equal(verify_code(f, f->dir), 0);
        run_sql(f, changes[i]);
        assert_int_equal(verify_code(f, f->dir), -EBADMSG);
        if (strstr(f->err.text, "sequence 20") == NULL &&
            strstr(f->err.text, "sequence 11") == NULL &&
            strstr(f->err.text, "sequences 11 to ") == NULL) {
            fail_msg("%s: %s", changes[i], f->err.text);
        }
        assert_non_null(strstr(f->err.text, "docs/operate/"));
        assert_int_equal(gr_disk_remove_dir(f->dir, &f->err), 0);
    }
}

static void a_journal_that_lost_its_tail_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct gr_journal_config config = {.dir = f->dir};
    struct gr_journal *journal;
    write_groups(f, 4);
    run_sql(f, "DELETE FROM groups WHERE last = 40; DELETE FROM asides WHERE last = 40");
    assert_int_equal(gr_journal_open(&config, &journal, &f->err), -EBADMSG);
    assert_non_null(strstr(f->err.text, "ends at sequence 30, but 40 was durable"));
    assert_int_equal(verify_code(f, f->dir), -EBADMSG);
}

static void a_changed_last_group_is_refused_by_a_writer(void **state)
{
    struct fixture *f = *state;
    const struct gr_journal_config config = {.dir = f->dir};
    struct gr_journal *journal;
    write_groups(f, 4);
    run_sql(f, "UPDATE groups SET payload = zeroblob(7) WHERE last = 40");
    assert_int_equal(gr_journal_open(&config, &journal, &f->err), -EBADMSG);
    assert_non_null(strstr(f->err.text, "31 to 40"));
}

static void a_journal_without_its_head_or_its_file_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct gr_journal_config config = {.dir = f->dir};
    struct gr_journal *journal;
    char path[120];
    write_groups(f, 2);
    snprintf(path, sizeof path, "%s/head", f->dir);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(gr_journal_open(&config, &journal, &f->err), -EBADMSG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(gr_journal_open(&config, &journal, &f->err), -EBADMSG);
    assert_int_equal(gr_disk_remove_dir(f->dir, &f->err), 0);
    write_groups(f, 2);
    snprintf(path, sizeof path, "%s/journal.db", f->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(gr_journal_open(&config, &journal, &f->err), -EBADMSG);
    assert_non_null(strstr(f->err.text, "journal.db is missing"));
}

static void a_head_that_is_one_group_behind_is_normal(void **state)
{
    struct fixture *f = *state;
    char path[120];
    char copy[120];
    write_groups(f, 2);
    snprintf(path, sizeof path, "%s/head", f->dir);
    snprintf(copy, sizeof copy, "%s/head.old", f->dir);
    assert_int_equal(gr_disk_copy(path, copy, &f->err), 0);
    write_groups(f, 2);
    assert_int_equal(rename(copy, path), 0);
    assert_int_equal(verify(f, f->dir).last, 40);
    write_groups(f, 1);
    assert_int_equal(verify(f, f->dir).last, 50);
}

static void a_newer_format_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct gr_journal_config config = {.dir = f->dir};
    struct gr_journal *journal;
    write_groups(f, 1);
    run_sql(f, "PRAGMA user_version = 3");
    assert_int_equal(gr_journal_open(&config, &journal, &f->err), -EPROTO);
    assert_int_equal(fixture_read(f, f->dir, 1, NULL), -EPROTO);
}

// A build that knows only format 1 would take a packed fact for a damaged one.
static void a_writer_raises_an_older_format(void **state)
{
    struct fixture *f = *state;
    uint64_t groups;
    write_groups(f, 1);
    run_sql(f, "PRAGMA user_version = 1");
    assert_int_equal(fixture_read(f, f->dir, 1, &groups), 10);
    assert_int_equal(user_version(f), 1); // who only reads changes nothing
    write_groups(f, 1);
    assert_int_equal(user_version(f), 2);
    assert_int_equal(fixture_read(f, f->dir, 1, &groups), 20);
}

static void tables_that_do_more_are_refused(void **state)
{
    struct fixture *f = *state;
    write_groups(f, 1);
    run_sql(f, "CREATE TRIGGER t AFTER INSERT ON groups BEGIN DELETE FROM asides; END");
    assert_int_equal(fixture_read(f, f->dir, 1, NULL), -EBADMSG);
}

static void sealed_parts_are_read_as_if_they_were_not_sealed(void **state)
{
    struct fixture *f = *state;
    uint64_t groups;
    write_groups(f, 10);
    struct gr_journal_verified before = verify(f, f->dir);
    assert_int_equal(gr_journal_seal(f->dir, 10, &f->err), 0);
    assert_int_equal(gr_journal_seal(f->dir, 35, &f->err), 1); // groups to 30
    assert_int_equal(gr_journal_seal(f->dir, 40, &f->err), 0); // 31 to 40 does not end before
    assert_int_equal(gr_journal_seal(f->dir, 61, &f->err), 1);
    struct gr_journal_verified after = verify(f, f->dir);
    assert_int_equal(after.parts, 2);
    assert_int_equal(after.groups, before.groups);
    assert_int_equal(after.payload_bytes, before.payload_bytes);
    assert_int_equal(after.aside_bytes, before.aside_bytes);
    assert_memory_equal(after.hash, before.hash, GR_HASH_SIZE);
    assert_true(after.is_whole);
    for (uint64_t from = 1; from <= 100; from++) {
        assert_int_equal(fixture_read(f, f->dir, from, &groups), 100);
        assert_int_equal(groups, 10 - (from - 1) / 10);
    }
    write_groups(f, 2);
    assert_int_equal(gr_journal_seal(f->dir, UINT64_MAX, &f->err), 1); // all of it
    assert_int_equal(fixture_read(f, f->dir, 1, &groups), 120);
    write_groups(f, 2);
    assert_int_equal(fixture_read(f, f->dir, 1, &groups), 140);
    assert_int_equal(verify(f, f->dir).parts, 3);
}

static void a_part_that_was_moved_away_is_missed_and_welcome_back(void **state)
{
    struct fixture *f = *state;
    struct gr_journal_reader *reader;
    struct gr_journal_group group;
    char path[200];
    char away[200];
    write_groups(f, 10);
    assert_int_equal(gr_journal_seal(f->dir, 31, &f->err), 1);
    assert_int_equal(gr_journal_seal(f->dir, 61, &f->err), 1);
    part_path(f, f->dir, 31, 60, path);
    snprintf(away, sizeof away, "%s/journal/away", f->root);
    assert_int_equal(rename(path, away), 0);
    struct gr_journal_verified found = verify(f, f->dir);
    assert_false(found.is_whole);
    assert_int_equal(found.first, 61);
    assert_int_equal(found.parts, 1); // the first was read all the same
    assert_int_equal(fixture_read(f, f->dir, 45, NULL), -ENODATA);
    assert_non_null(strstr(f->err.text, "moved away"));
    assert_int_equal(fixture_read(f, f->dir, 5, NULL), -ENODATA);
    assert_int_equal(fixture_read(f, f->dir, 61, NULL), 100);
    assert_int_equal(gr_journal_reader_open(f->dir, 61, &reader, &f->err), 0);
    assert_int_equal(gr_journal_reader_find(reader, 45, &group, &f->err), 0);
    assert_int_equal(gr_journal_reader_find(reader, 15, &group, &f->err), 1);
    assert_int_equal(group.first, 11);
    fixture_expect(&group);
    gr_journal_reader_close(reader);
    assert_int_equal(rename(away, path), 0);
    assert_true(verify(f, f->dir).is_whole);
}

static void a_reader_notices_that_its_groups_were_sealed(void **state)
{
    struct fixture *f = *state;
    struct gr_journal_reader *reader;
    struct gr_journal_group group;
    write_groups(f, 6);
    assert_int_equal(gr_journal_reader_open(f->dir, 1, &reader, &f->err), 0);
    assert_int_equal(gr_journal_reader_next(reader, &group, &f->err), 1);
    assert_int_equal(gr_journal_seal(f->dir, 41, &f->err), 1);
    for (uint64_t i = 2; i <= 6; i++) {
        assert_int_equal(gr_journal_reader_next(reader, &group, &f->err), 1);
        assert_int_equal(group.last, 10 * i);
        fixture_expect(&group);
    }
    assert_int_equal(gr_journal_reader_next(reader, &group, &f->err), 0);
    gr_journal_reader_close(reader);
}

static void every_changed_byte_of_a_sealed_part_is_found(void **state)
{
    struct fixture *f = *state;
    char path[200];
    struct stat st;
    write_groups(f, 3);
    assert_int_equal(gr_journal_seal(f->dir, UINT64_MAX, &f->err), 1);
    part_path(f, f->dir, 1, 30, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = 0; at < st.st_size; at++) {
        uint8_t byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte = (uint8_t)(byte ^ 1 << (at % 8));
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        if (verify_code(f, f->dir) == 0) {
            fail_msg("byte %ld was changed and not missed", (long)at);
        }
        byte = (uint8_t)(byte ^ 1 << (at % 8));
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    assert_int_equal(verify_code(f, f->dir), 0);
    assert_int_equal(ftruncate(fd, st.st_size + 1), 0);
    assert_int_equal(verify_code(f, f->dir), -EBADMSG);
    close(fd);
}

static void a_backup_beside_a_writer_is_a_whole_journal(void **state)
{
    struct fixture *f = *state;
    write_groups(f, 5);
    assert_int_equal(gr_journal_seal(f->dir, 21, &f->err), 1);
    struct gr_journal *journal = fixture_open(f);
    assert_int_equal(fixture_append(f, journal, 10, 100000, 50000), 1);
    assert_int_equal(gr_journal_backup(f->dir, f->other, &f->err), 0);
    assert_int_equal(gr_journal_backup(f->dir, f->other, &f->err), -EEXIST);
    assert_int_equal(fixture_append(f, journal, 10, 100, 0), 1);
    gr_journal_close(journal);
    struct gr_journal_verified found = verify(f, f->other);
    assert_int_equal(found.last, 60);
    assert_int_equal(found.parts, 1);
    assert_true(found.is_whole);
    assert_int_equal(fixture_read(f, f->other, 1, NULL), 60);
}

static void a_restored_journal_goes_on_with_a_far_higher_epoch(void **state)
{
    struct fixture *f = *state;
    write_groups(f, 2); // epoch 1
    write_groups(f, 2); // epoch 2
    assert_int_equal(gr_journal_backup(f->dir, f->other, &f->err), 0);
    assert_int_equal(gr_journal_restore(f->other, f->dir, &f->err), -EEXIST);
    assert_int_equal(gr_disk_remove_dir(f->dir, &f->err), 0);
    assert_int_equal(mkdir(f->dir, 0700), 0); // an empty folder is as good as none
    assert_int_equal(gr_journal_restore(f->other, f->dir, &f->err), 0);
    struct gr_journal *journal = fixture_open(f);
    assert_int_equal(gr_journal_tip_get(journal).epoch, 1002);
    assert_int_equal(gr_journal_tip_get(journal).sequence, 40);
    gr_journal_close(journal);
}

static void a_damaged_backup_is_not_restored(void **state)
{
    struct fixture *f = *state;
    write_groups(f, 4);
    run_sql(f, "UPDATE groups SET payload = zeroblob(7) WHERE last = 20");
    assert_int_equal(gr_journal_restore(f->dir, f->other, &f->err), -EBADMSG);
    assert_int_equal(access(f->other, F_OK), -1);
    assert_int_equal(gr_journal_backup(f->dir, f->other, &f->err), -EBADMSG);
    assert_int_equal(access(f->other, F_OK), -1);
}

static void who_takes_the_head_away_may_restore_what_is_left(void **state)
{
    struct fixture *f = *state;
    char path[120];
    write_groups(f, 4);
    run_sql(f, "DELETE FROM groups WHERE last = 40; DELETE FROM asides WHERE last = 40");
    assert_int_equal(gr_journal_restore(f->dir, f->other, &f->err), -EBADMSG);
    snprintf(path, sizeof path, "%s/head", f->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(gr_journal_restore(f->dir, f->other, &f->err), 0);
    assert_int_equal(verify(f, f->other).last, 30);
}

static void a_folder_that_cannot_be_written_can_be_read(void **state)
{
    struct fixture *f = *state;
    write_groups(f, 3);
    assert_int_equal(chmod(f->dir, 0500), 0);
    int64_t last = fixture_read(f, f->dir, 1, NULL);
    assert_int_equal(chmod(f->dir, 0700), 0);
    assert_int_equal(last, 30);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(verify_counts_what_is_there),
        CASE(verify_runs_beside_a_writer),
        CASE(a_changed_group_is_named),
        CASE(a_journal_that_lost_its_tail_is_refused),
        CASE(a_changed_last_group_is_refused_by_a_writer),
        CASE(a_journal_without_its_head_or_its_file_is_refused),
        CASE(a_head_that_is_one_group_behind_is_normal),
        CASE(a_newer_format_is_refused),
        CASE(a_writer_raises_an_older_format),
        CASE(tables_that_do_more_are_refused),
        CASE(sealed_parts_are_read_as_if_they_were_not_sealed),
        CASE(a_part_that_was_moved_away_is_missed_and_welcome_back),
        CASE(a_reader_notices_that_its_groups_were_sealed),
        CASE(every_changed_byte_of_a_sealed_part_is_found),
        CASE(a_backup_beside_a_writer_is_a_whole_journal),
        CASE(a_restored_journal_goes_on_with_a_far_higher_epoch),
        CASE(a_damaged_backup_is_not_restored),
        CASE(who_takes_the_head_away_may_restore_what_is_left),
        CASE(a_folder_that_cannot_be_written_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
