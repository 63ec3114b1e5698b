// Snapshots appear whole or not at all, and a bad one is passed over.
#include "journal/snapshot.h"

#include "journal/fixture.h"

#include <fcntl.h>

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

static void write_snapshot(struct fixture *f, uint64_t sequence, size_t size, unsigned keep)
{
    struct gr_snapshot_writer *writer;
    struct gr_snapshot_mark mark = {.sequence = sequence};
    memset(mark.hash, (int)(sequence & 0xff), sizeof mark.hash);
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    fixture_fill(bytes, size, sequence, 2);
    assert_int_equal(gr_snapshot_create(f->dir, &mark, &writer, &f->err), 0);
    for (size_t at = 0; at < size; at += 70000) {
        size_t part = size - at < 70000 ? size - at : 70000;
        assert_int_equal(gr_snapshot_write(writer, bytes + at, part, &f->err), 0);
    }
    assert_int_equal(gr_snapshot_commit(writer, keep, &f->err), 0);
    free(bytes);
}

static void expect_snapshot(struct fixture *f, uint64_t most, uint64_t sequence, size_t size)
{
    struct gr_snapshot *snapshot;
    size_t found;
    assert_int_equal(gr_snapshot_open(f->dir, most, NULL, 0, &snapshot, &f->err), 0);
    struct gr_snapshot_mark mark = gr_snapshot_mark_get(snapshot);
    assert_int_equal(mark.sequence, sequence);
    assert_int_equal(mark.hash[31], sequence & 0xff);
    const uint8_t *bytes = gr_snapshot_bytes(snapshot, &found);
    assert_int_equal(found, size);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(bytes[i], fixture_byte(sequence, i, 2));
    }
    gr_snapshot_close(snapshot);
}

static void bytes_come_back_as_they_went_in(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {0, 1, 100, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3000001};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        write_snapshot(f, i + 1, sizes[i], 9);
        expect_snapshot(f, UINT64_MAX, i + 1, sizes[i]);
    }
    expect_snapshot(f, 3, 3, 100);
}

static void only_the_newest_are_kept(void **state)
{
    struct fixture *f = *state;
    struct gr_snapshot *snapshot;
    for (uint64_t i = 1; i <= 5; i++) {
        write_snapshot(f, 10 * i, 10, 2);
    }
    expect_snapshot(f, UINT64_MAX, 50, 10);
    expect_snapshot(f, 49, 40, 10);
    assert_int_equal(gr_snapshot_open(f->dir, 39, NULL, 0, &snapshot, &f->err), -ENOENT);
}

static void one_that_is_given_up_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct gr_snapshot_writer *writer;
    struct gr_snapshot *snapshot;
    const struct gr_snapshot_mark mark = {.sequence = 5};
    assert_int_equal(gr_snapshot_create(f->dir, &mark, &writer, &f->err), 0);
    assert_int_equal(gr_snapshot_write(writer, "abc", 3, &f->err), 0);
    gr_snapshot_abort(writer);
    assert_int_equal(gr_snapshot_open(f->dir, 9, NULL, 0, &snapshot, &f->err), -ENOENT);
    assert_int_equal(rmdir(f->dir), 0);
    gr_snapshot_abort(NULL);
    gr_snapshot_close(NULL);
}

// Changes one byte of the snapshot, or cuts the file there.
static void damage(struct fixture *f, uint64_t sequence, off_t at, int change)
{
    char path[200];
    uint8_t byte;
    snprintf(path, sizeof path, "%s/%020llu.snapshot", f->dir, (unsigned long long)sequence);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    if (change == 0) {
        assert_int_equal(ftruncate(fd, at), 0);
    } else {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte = (uint8_t)(byte ^ change);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
}

static void every_damaged_byte_makes_an_older_one_be_taken(void **state)
{
    struct fixture *f = *state;
    struct gr_snapshot *snapshot;
    char passed[64];
    write_snapshot(f, 7, 50, 2);
    write_snapshot(f, 8, 50, 2);
    for (off_t at = 0; at < 128 + 50 + 32; at++) {
        damage(f, 8, at, 1 << (at % 8));
        assert_int_equal(gr_snapshot_open(f->dir, 99, passed, sizeof passed, &snapshot, &f->err),
                         0);
        assert_int_equal(gr_snapshot_mark_get(snapshot).sequence, 7);
        assert_string_equal(passed, "00000000000000000008.snapshot\n");
        gr_snapshot_close(snapshot);
        damage(f, 8, at, 1 << (at % 8));
    }
    expect_snapshot(f, 99, 8, 50);
    for (off_t size = 128 + 50 + 31; size >= 0; size--) {
        damage(f, 8, size, 0);
        expect_snapshot(f, 99, 7, 50);
    }
}

static void a_name_that_is_not_its_own_is_found(void **state)
{
    struct fixture *f = *state;
    char from[200];
    char to[200];
    write_snapshot(f, 7, 50, 1);
    snprintf(from, sizeof from, "%s/%020d.snapshot", f->dir, 7);
    snprintf(to, sizeof to, "%s/%020d.snapshot", f->dir, 9);
    assert_int_equal(link(from, to), 0);
    expect_snapshot(f, 99, 7, 50);
}

static void a_missing_folder_holds_none(void **state)
{
    struct fixture *f = *state;
    struct gr_snapshot *snapshot;
    assert_int_equal(gr_snapshot_open(f->dir, 1, NULL, 0, &snapshot, &f->err), -ENOENT);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(bytes_come_back_as_they_went_in),
        CASE(only_the_newest_are_kept),
        CASE(one_that_is_given_up_leaves_nothing),
        CASE(every_damaged_byte_makes_an_older_one_be_taken),
        CASE(a_name_that_is_not_its_own_is_found),
        CASE(a_missing_folder_holds_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
