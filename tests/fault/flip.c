// Every byte of a small journal is changed, one at a time: verify or an opening says so, or the
// same groups are read as before.
#include "fault.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { FILE_MAX = 1 << 20 };

// A journal with a sealed part, groups in the file and groups in the log, as a crash leaves it.
static void make_journal(struct fixture *f, struct gr_told *told)
{
    static const char *const names[] = {"journal.db", "journal.db-wal", "head"};
    char from[120];
    char to[120];
    gr_fault_write(f->dir, 3, 1500, told);
    assert_int_equal(gr_journal_seal(f->dir, 4, &f->err), 1);
    struct gr_journal *journal = fixture_open(f);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fixture_append(f, journal, 2, 700, 300), 1);
    }
    // The files are copied while the writer has them open; that is what a kill leaves.
    assert_int_equal(mkdir(f->other, 0700), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(from, sizeof from, "%s/%s", f->dir, names[i]);
        snprintf(to, sizeof to, "%s/%s", f->other, names[i]);
        assert_int_equal(gr_disk_copy(from, to, &f->err), 0);
    }
    told->durable = told->attempted = gr_journal_tip_get(journal).sequence;
    gr_journal_close(journal);
    snprintf(from, sizeof from, "%s/sealed", f->dir);
    snprintf(to, sizeof to, "%s/sealed", f->other);
    assert_int_equal(rename(from, to), 0);
}

// Removes the log's index: it belongs to a moment, not to the journal.
static void drop_index(const struct fixture *f)
{
    char path[120];
    snprintf(path, sizeof path, "%s/journal.db-shm", f->other);
    (void)unlink(path);
}

// Hash over all that a reader gives. Returns 0, or -errno if it stops with an error.
static int read_all(struct fixture *f, uint64_t *ret_last, uint8_t ret_digest[GR_HASH_SIZE])
{
    struct gr_journal_reader *reader;
    struct gr_journal_group group;
    struct gr_hash hash;
    int rc = gr_journal_reader_open(f->other, 1, &reader, &f->err);
    if (rc < 0) {
        return rc;
    }
    gr_hash_init(&hash);
    *ret_last = 0;
    while ((rc = gr_journal_reader_next(reader, &group, &f->err)) == 1) {
        gr_hash_add(&hash, &group.first, sizeof group.first);
        gr_hash_add(&hash, &group.last, sizeof group.last);
        gr_hash_add(&hash, &group.epoch, sizeof group.epoch);
        gr_hash_add(&hash, group.payload, group.payload_size);
        gr_hash_add(&hash, group.aside, group.aside_size);
        *ret_last = group.last;
    }
    gr_hash_end(&hash, ret_digest);
    gr_journal_reader_close(reader);
    return rc;
}

// A writer on a copy of the damaged journal: it is refused, or ends where the journal ended.
static void open_copy(struct fixture *f, const struct gr_told *told, const char *where)
{
    char dir[100];
    char from[240];
    char to[240];
    struct gr_journal *journal;
    const struct gr_journal_config config = {.dir = dir};
    snprintf(dir, sizeof dir, "%s/copy", f->root);
    assert_int_equal(mkdir(dir, 0700), 0);
    static const char *const names[] = {"journal.db", "journal.db-wal", "head"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(from, sizeof from, "%s/%s", f->other, names[i]);
        snprintf(to, sizeof to, "%s/%s", dir, names[i]);
        assert_int_equal(gr_disk_copy(from, to, &f->err), 0);
    }
    int rc = gr_journal_open(&config, &journal, &f->err);
    if (rc == 0 && gr_journal_tip_get(journal).sequence != told->durable) {
        fail_msg("%s: a writer goes on at %lu", where,
                 (unsigned long)gr_journal_tip_get(journal).sequence);
    }
    if (rc == 0) {
        gr_journal_close(journal);
    }
    assert_int_equal(gr_disk_remove_dir(dir, &f->err), 0);
}

static unsigned found, unchanged;

static void flip(struct fixture *f, const struct gr_told *told, const char *name, int fd, off_t at,
                 const uint8_t digest[GR_HASH_SIZE])
{
    struct gr_journal_verified verified;
    uint8_t byte;
    uint8_t now[GR_HASH_SIZE];
    char where[150];
    uint64_t last = 0;
    snprintf(where, sizeof where, "%s, byte %ld", name, (long)at);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    uint8_t changed = (uint8_t)(byte ^ (1u << (at * 5 % 8)));
    assert_int_equal(pwrite(fd, &changed, 1, at), 1);
    drop_index(f);
    int rc = gr_journal_verify(f->other, NULL, NULL, &verified, &f->err);
    if (rc == 0) {
        unchanged++;
        rc = read_all(f, &last, now);
        if (rc < 0 || last != told->durable || memcmp(now, digest, GR_HASH_SIZE) != 0) {
            fail_msg("%s: not found, and other groups are read", where);
        }
    } else {
        found++;
        assert_true(f->err.text[0] != '\0');
    }
    open_copy(f, told, where);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void flip_file(struct fixture *f, const struct gr_told *told, const char *name,
                      const uint8_t digest[GR_HASH_SIZE])
{
    char path[240];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", f->other, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(st.st_size > 0 && st.st_size < FILE_MAX);
    unsigned stride = gr_fault_stride(131);
    found = unchanged = 0;
    for (off_t at = 0; at < st.st_size; at += at < 128 ? 1 : stride) {
        flip(f, told, name, fd, at, digest);
    }
    printf("%s: %u changes found, %u changed nothing\n", name, found, unchanged);
    close(fd);
}

static void each_changed_byte_is_found_or_changes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_told told = {0};
    uint8_t digest[GR_HASH_SIZE];
    uint64_t last;
    char sealed[80];
    const struct gr_shim_plan idle = {.is_idle = true};
    fixture_init(&f);
    gr_shim_begin(f.root, &idle);
    make_journal(&f, &told);
    assert_int_equal(read_all(&f, &last, digest), 0);
    assert_int_equal(last, told.durable);
    snprintf(sealed, sizeof sealed, "sealed/%020d-%020d.sealed", 1, 3);
    flip_file(&f, &told, "head", digest);
    flip_file(&f, &told, "journal.db", digest);
    flip_file(&f, &told, "journal.db-wal", digest);
    flip_file(&f, &told, sealed, digest);
    gr_shim_end();
    fixture_done(&f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_changed_byte_is_found_or_changes_nothing),
    };
    gr_fault_arguments(argc, argv);
    gr_shim_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
