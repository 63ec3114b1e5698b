// Backups, restored journals and snapshots on a disk that fails, fills up, or loses its power: each
// is whole or not there, what was said to be done is done, and what they are made of is unharmed.
#include "fault.h"

#include "journal/snapshot.h"

#include <sys/stat.h>

enum { GROUPS = 4, SIZE = 3000, SNAPSHOT = 9000 };

static const struct {
    enum gr_shim_kind kind;
    int code;
    bool is_power;
} faults[] = {
    {GR_SHIM_WRITE, EIO, false},    {GR_SHIM_WRITE, ENOSPC, false}, {GR_SHIM_SYNC, EIO, false},
    {GR_SHIM_OPEN, EIO, false},     {GR_SHIM_NAME, EIO, false},     {GR_SHIM_READ, EIO, false},
    {GR_SHIM_TRUNCATE, EIO, false}, {GR_SHIM_ANY, EIO, true},
};

// What is tried: made beside a journal that holds what `told` says.
struct kind {
    const char *name;
    int (*make)(struct fixture *f);
    // Looks at what is in the folder `root`; `is_done`: it was said to be done.
    void (*look)(const char *root, const struct gr_told *told, bool is_done, const char *where);
};

static void path_of(const char *root, const char *name, char ret_path[128])
{
    snprintf(ret_path, 128, "%s/%s", root, name);
}

// --- copies of the journal

static int make_backup(struct fixture *f)
{
    char to[128];
    path_of(f->root, "copy", to);
    return gr_journal_backup(f->dir, to, &f->err);
}

// From a backup that was made before.
static int make_restored(struct fixture *f)
{
    char from[128];
    char to[128];
    path_of(f->root, "backup", from);
    path_of(f->root, "copy", to);
    return gr_journal_restore(from, to, &f->err);
}

static void look_at_copy(const char *root, const struct gr_told *told, bool is_done,
                         const char *where)
{
    char path[128];
    struct gr_journal_verified verified;
    struct gr_err err;
    path_of(root, "copy", path);
    if (access(path, F_OK) != 0) {
        if (is_done) {
            fail_msg("%s: the copy is not there", where);
        }
        return;
    }
    int rc = gr_journal_verify(path, NULL, NULL, &verified, &err);
    if (rc != 0 || verified.first != 1 || verified.last != told->durable) {
        fail_msg("%s: the copy ends at %lu of %lu: %s", where, (unsigned long)verified.last,
                 (unsigned long)told->durable, rc == 0 ? "" : err.text);
    }
}

// --- snapshots

static int snapshot_make(const char *dir, uint64_t sequence, struct gr_err *err)
{
    static uint8_t bytes[SNAPSHOT];
    struct gr_snapshot_writer *writer;
    struct gr_snapshot_mark mark = {.sequence = sequence};
    memset(bytes, (int)sequence, sizeof bytes);
    memset(mark.hash, (int)sequence, sizeof mark.hash);
    int rc = gr_snapshot_create(dir, &mark, &writer, err);
    if (rc < 0) {
        return rc;
    }
    rc = gr_snapshot_write(writer, bytes, sizeof bytes, err);
    if (rc < 0) {
        gr_snapshot_abort(writer);
        return rc;
    }
    return gr_snapshot_commit(writer, 2, err);
}

// The third; two are kept, so that the first goes.
static int make_snapshot(struct fixture *f)
{
    char dir[128];
    path_of(f->root, "snapshots", dir);
    return snapshot_make(dir, 3, &f->err);
}

static void look_at_snapshots(const char *root, const struct gr_told *told, bool is_done,
                              const char *where)
{
    char dir[128];
    struct gr_snapshot *snapshot;
    struct gr_err err;
    size_t size;
    (void)told;
    path_of(root, "snapshots", dir);
    int rc = gr_snapshot_open(dir, UINT64_MAX, NULL, 0, &snapshot, &err);
    if (rc != 0) {
        fail_msg("%s: no snapshot is good: %s", where, err.text);
    }
    struct gr_snapshot_mark mark = gr_snapshot_mark_get(snapshot);
    const uint8_t *bytes = gr_snapshot_bytes(snapshot, &size);
    if (mark.sequence < 2 || (is_done && mark.sequence != 3)) {
        fail_msg("%s: the newest good snapshot is of %lu", where, (unsigned long)mark.sequence);
    }
    if (size != SNAPSHOT || bytes[0] != mark.sequence || bytes[SNAPSHOT - 1] != mark.sequence ||
        mark.hash[0] != mark.sequence) {
        fail_msg("%s: the snapshot of %lu has other bytes", where, (unsigned long)mark.sequence);
    }
    gr_snapshot_close(snapshot);
}

// --- sweeps

// What was there before.
static void prepare(struct fixture *f, struct gr_told *told)
{
    char path[128];
    fixture_init(f);
    gr_fault_write(f->dir, GROUPS, SIZE, told);
    assert_int_equal(gr_journal_seal(f->dir, 4, &f->err), 1); // so that there is a part
    gr_fault_write(f->dir, GROUPS, SIZE, told);
    path_of(f->root, "backup", path);
    assert_int_equal(gr_journal_backup(f->dir, path, &f->err), 0);
    path_of(f->root, "snapshots", path);
    assert_int_equal(snapshot_make(path, 1, &f->err), 0);
    assert_int_equal(snapshot_make(path, 2, &f->err), 0);
}

static void tidy(struct fixture *f)
{
    static const char *const names[] = {"backup", "snapshots", "copy", "copy.part"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        path_of(f->root, names[i], path);
        assert_int_equal(gr_disk_remove_dir(path, &f->err), 0);
    }
    fixture_done(f);
}

// Looks at what a cut may have left.
static void look_at_remains(struct fixture *f, const struct kind *kind, const struct gr_told *told,
                            bool is_done, uint64_t nth, const char *where)
{
    for (uint64_t seed = 0; seed < 4; seed++) {
        char name[130];
        char dir[130];
        snprintf(name, sizeof name, "%.100s, seed %lu", where, (unsigned long)seed);
        assert_int_equal(mkdir(f->other, 0700), 0);
        gr_shim_remains(f->root, f->other, seed < 2 ? seed : nth * 1000 + seed);
        kind->look(f->other, told, is_done, name);
        path_of(f->other, "journal", dir);
        gr_fault_check(dir, told, name);
        static const char *const names[] = {"journal", "backup", "snapshots", "copy", "copy.part"};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            path_of(f->other, names[i], dir);
            assert_int_equal(gr_disk_remove_dir(dir, &f->err), 0);
        }
        assert_int_equal(gr_disk_remove_dir(f->other, &f->err), 0);
    }
}

static bool try_one(const struct kind *kind, const struct gr_shim_plan *plan, const char *where)
{
    struct fixture f;
    struct gr_told told = {0};
    prepare(&f, &told);
    gr_shim_begin(f.root, plan);
    int rc = kind->make(&f);
    bool is_reached = gr_shim_end();
    if (!is_reached && rc != 0) {
        fail_msg("%s: nothing failed, and it did: %s", where, f.err.text);
    }
    if (rc != 0 && f.err.text[0] == '\0') {
        fail_msg("%s: it failed without a word", where);
    }
    // Only the disk's remains count after a cut; the folder itself is what was asked for.
    if (plan->is_power) {
        look_at_remains(&f, kind, &told, rc == 0, plan->nth, where);
    } else {
        kind->look(f.root, &told, rc == 0, where);
        gr_fault_check(f.dir, &told, where);
        told.durable = told.attempted = told.durable + 1;
    }
    // With the disk as it was it goes well, whatever the one before left.
    char path[128];
    path_of(f.root, "copy", path);
    assert_int_equal(gr_disk_remove_dir(path, &f.err), 0);
    rc = kind->make(&f);
    if (rc != 0) {
        fail_msg("%s: again: %s", where, f.err.text);
    }
    tidy(&f);
    return is_reached;
}

static void sweep(const struct kind *kind, unsigned slice)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct gr_shim_plan plan = {
            .kind = faults[i].kind, .code = faults[i].code, .is_power = faults[i].is_power};
        bool is_reached = true;
        for (plan.nth = 1; is_reached; plan.nth += gr_fault_stride(slice)) {
            char where[120];
            snprintf(where, sizeof where, "%s, %s %zu at %lu", kind->name,
                     plan.is_power ? "power cut" : "fault", i, (unsigned long)plan.nth);
            is_reached = try_one(kind, &plan, where);
        }
    }
}

static void a_backup_that_fails_or_is_cut_is_whole_or_not_there(void **state)
{
    (void)state;
    const struct kind kind = {"backup", make_backup, look_at_copy};
    sweep(&kind, 5);
}

static void a_restored_journal_is_whole_or_not_there(void **state)
{
    (void)state;
    const struct kind kind = {"restore", make_restored, look_at_copy};
    sweep(&kind, 5);
}

static void a_snapshot_that_fails_or_is_cut_leaves_a_good_one(void **state)
{
    (void)state;
    const struct kind kind = {"snapshot", make_snapshot, look_at_snapshots};
    sweep(&kind, 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_that_fails_or_is_cut_is_whole_or_not_there),
        cmocka_unit_test(a_restored_journal_is_whole_or_not_there),
        cmocka_unit_test(a_snapshot_that_fails_or_is_cut_leaves_a_good_one),
    };
    gr_fault_arguments(argc, argv);
    gr_shim_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
