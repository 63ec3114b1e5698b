// A journal on a disk that fails, fills up, or loses its power: nothing that was said to be durable
// is lost, and what is left can be gone on with.
#include "fault.h"

#include <sys/stat.h>

enum { GROUPS = 4, SIZE = 3000 };

static const char *const kind_names[] = {"write", "sync", "open", "truncate",
                                         "name",  "read", "map",  "any"};

// Two writers, one after the other.
static void small_workload(const char *dir, struct gr_told *told)
{
    gr_fault_write(dir, GROUPS, SIZE, told);
    if (told->failure == 0) {
        gr_fault_write(dir, GROUPS, SIZE, told);
    }
}

// One writer whose log is checkpointed while it writes.
static void large_workload(const char *dir, struct gr_told *told)
{
    gr_fault_write(dir, 12, 200000, told);
}

// Runs the workload with the plan at every nth, and checks each time.
static void sweep_with(void (*workload)(const char *dir, struct gr_told *told),
                       struct gr_shim_plan plan, unsigned stride)
{
    bool is_reached = true;
    for (plan.nth = 1; is_reached; plan.nth += stride) {
        struct fixture f;
        struct gr_told told = {0};
        char where[100];
        fixture_init(&f);
        gr_shim_begin(f.root, &plan);
        workload(f.dir, &told);
        is_reached = gr_shim_end();
        snprintf(where, sizeof where, "%s %lu%s, error %d", kind_names[plan.kind],
                 (unsigned long)plan.nth, plan.for_ever ? " and all after" : "", plan.code);
        if (is_reached && plan.for_ever && plan.code == EIO && plan.kind == GR_SHIM_SYNC &&
            told.failure == 0 && told.durable == told.attempted && told.durable > 0 &&
            plan.nth < 3) {
            fail_msg("%s: a disk that never syncs was not noticed", where);
        }
        if (!is_reached) {
            assert_int_equal(told.failure, 0);
        }
        gr_fault_check(f.dir, &told, where);
        fixture_done(&f);
    }
}

static void sweep(enum gr_shim_kind kind, int code, unsigned slice)
{
    struct gr_shim_plan plan = {.kind = kind, .code = code};
    sweep_with(small_workload, plan, gr_fault_stride(slice));
    plan.for_ever = true;
    sweep_with(small_workload, plan, gr_fault_stride(slice));
}

static void a_write_that_fails_loses_nothing(void **state)
{
    (void)state;
    sweep(GR_SHIM_WRITE, EIO, 5);
}

static void a_sync_that_fails_loses_nothing(void **state)
{
    (void)state;
    sweep(GR_SHIM_SYNC, EIO, 2);
}

static void an_open_truncate_name_read_or_map_that_fails_loses_nothing(void **state)
{
    (void)state;
    sweep(GR_SHIM_OPEN, EIO, 2);
    sweep(GR_SHIM_TRUNCATE, EIO, 1);
    sweep(GR_SHIM_NAME, EIO, 2);
    sweep(GR_SHIM_READ, EIO, 5);
    sweep(GR_SHIM_MAP, EIO, 2);
}

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    sweep(GR_SHIM_WRITE, ENOSPC, 5);
}

static void the_same_holds_while_the_log_is_checkpointed(void **state)
{
    (void)state;
    static const enum gr_shim_kind kinds[] = {GR_SHIM_WRITE, GR_SHIM_SYNC, GR_SHIM_READ};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct gr_shim_plan plan = {.kind = kinds[i], .code = EIO};
        sweep_with(large_workload, plan, gr_fault_stride(i == 1 ? 11 : 301));
        plan.code = ENOSPC;
        if (kinds[i] == GR_SHIM_WRITE) {
            sweep_with(large_workload, plan, gr_fault_stride(301));
        }
    }
}

// What a failed sync of the log must do, seen from the caller.
static void a_failed_sync_of_the_log_is_final(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct gr_shim_plan plan = {.kind = GR_SHIM_SYNC, .code = EIO, .only = "-wal"};
    gr_shim_begin(f.root, &plan);
    struct gr_journal *journal = fixture_open(&f);
    assert_int_equal(fixture_append(&f, journal, 1, 100, 0), 1);
    gr_shim_end();
    plan.nth = 1;
    gr_shim_begin(f.root, &plan); // this once; what follows would succeed
    int rc = fixture_append(&f, journal, 1, 100, 0);
    assert_true(rc < 0 && rc != -ENOSPC);
    assert_int_equal(gr_journal_poll(journal, &f.err), rc);
    assert_int_equal(fixture_append(&f, journal, 1, 100, 0), rc);
    assert_true(f.err.text[0] != '\0');
    assert_true(gr_shim_end());
    gr_journal_close(journal);
    const struct gr_told told = {.durable = 1, .attempted = 2};
    gr_fault_check(f.dir, &told, "failed sync");
    fixture_done(&f);
}

// A disk that is full for a while: the same group is taken when there is room.
static void a_group_that_found_no_room_is_taken_later(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct gr_shim_plan plan = {.nth = 0};
    gr_shim_begin(f.root, &plan);
    struct gr_journal *journal = fixture_open(&f);
    plan = (struct gr_shim_plan){
        .kind = GR_SHIM_WRITE, .nth = 1, .for_ever = true, .code = ENOSPC, .only = "journal.db"};
    for (unsigned i = 0; i < 3; i++) {
        gr_shim_begin(f.root, &plan);
        for (unsigned k = 0; k < 5; k++) {
            assert_int_equal(fixture_append(&f, journal, 5, 9000, 3000), -ENOSPC);
            assert_non_null(strstr(f.err.text, "no room"));
        }
        assert_true(gr_shim_end());
        assert_int_equal(fixture_append(&f, journal, 5, 9000, 3000), 1);
    }
    gr_journal_close(journal);
    const struct gr_told told = {.durable = 15, .attempted = 15};
    gr_fault_check(f.dir, &told, "full disk");
    fixture_done(&f);
}

// --- power cuts

static void cut(void (*workload)(const char *dir, struct gr_told *told), unsigned stride,
                uint64_t seeds)
{
    bool is_reached = true;
    struct gr_shim_plan plan = {.kind = GR_SHIM_ANY, .code = EIO, .is_power = true};
    for (plan.nth = 1; is_reached; plan.nth += stride) {
        struct fixture f;
        struct gr_told told = {0};
        fixture_init(&f);
        gr_shim_begin(f.root, &plan);
        workload(f.dir, &told);
        is_reached = gr_shim_end();
        for (uint64_t seed = 0; seed < seeds; seed++) {
            char where[100];
            char dir[90];
            uint64_t drawn = seed < 2 ? seed : plan.nth * 1000 + seed;
            snprintf(where, sizeof where, "power cut at %lu, seed %lu", (unsigned long)plan.nth,
                     (unsigned long)drawn);
            assert_int_equal(mkdir(f.other, 0700), 0);
            gr_shim_remains(f.root, f.other, drawn);
            snprintf(dir, sizeof dir, "%s/journal", f.other);
            gr_fault_check(dir, &told, where);
            assert_int_equal(gr_disk_remove_dir(dir, &f.err), 0);
            assert_int_equal(gr_disk_remove_dir(f.other, &f.err), 0);
        }
        fixture_done(&f);
    }
}

static void a_power_cut_leaves_all_that_was_durable(void **state)
{
    (void)state;
    cut(small_workload, gr_fault_stride(7), gr_fault_stride(9) == 1 ? 12 : 4);
}

static void a_power_cut_in_a_checkpoint_does_too(void **state)
{
    (void)state;
    cut(large_workload, gr_fault_stride(1) == gr_fault_stride(2) ? 3 : 201, 4);
}

// --- seals

static struct gr_told sealed_told; // what the journal held before the seal

// Seals the journal that is there.
static void seal_workload(const char *dir, struct gr_told *told)
{
    struct gr_err err;
    int rc = gr_journal_seal(dir, sealed_told.durable, &err);
    *told = sealed_told;
    told->failure = rc < 0 ? rc : 0;
}

static void a_seal_that_stops_anywhere_loses_nothing(void **state)
{
    (void)state;
    static const enum gr_shim_kind kinds[] = {GR_SHIM_WRITE, GR_SHIM_SYNC, GR_SHIM_NAME,
                                              GR_SHIM_TRUNCATE, GR_SHIM_OPEN};
    unsigned stride = gr_fault_stride(3);
    for (size_t i = 0; i <= sizeof kinds / sizeof kinds[0]; i++) {
        bool is_power = i == sizeof kinds / sizeof kinds[0];
        struct gr_shim_plan plan = {
            .kind = is_power ? GR_SHIM_ANY : kinds[i], .code = EIO, .is_power = is_power};
        bool is_reached = true;
        for (plan.nth = 1; is_reached; plan.nth += stride) {
            struct fixture f;
            struct gr_told told;
            char where[100];
            char dir[90];
            fixture_init(&f);
            sealed_told = (struct gr_told){0};
            gr_fault_write(f.dir, GROUPS, SIZE, &sealed_told);
            assert_int_equal(gr_journal_seal(f.dir, 4, &f.err), 1); // so that a part is there
            gr_fault_write(f.dir, GROUPS, SIZE, &sealed_told);
            gr_shim_begin(f.root, &plan);
            seal_workload(f.dir, &told);
            is_reached = gr_shim_end();
            snprintf(where, sizeof where, "seal, %s %lu", kind_names[plan.kind],
                     (unsigned long)plan.nth);
            for (uint64_t seed = 0; is_power && seed < 4; seed++) {
                assert_int_equal(mkdir(f.other, 0700), 0);
                gr_shim_remains(f.root, f.other, seed < 2 ? seed : plan.nth * 1000 + seed);
                snprintf(dir, sizeof dir, "%s/journal", f.other);
                gr_fault_check(dir, &told, where);
                assert_int_equal(gr_disk_remove_dir(dir, &f.err), 0);
                assert_int_equal(gr_disk_remove_dir(f.other, &f.err), 0);
            }
            gr_fault_check(f.dir, &told, where);
            int rc = gr_journal_seal(f.dir, UINT64_MAX, &f.err); // the next one sweeps up
            assert_int_equal(rc, 1);
            told.durable = told.attempted = told.durable + 1;
            gr_fault_check(f.dir, &told, where);
            fixture_done(&f);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_fails_loses_nothing),
        cmocka_unit_test(a_sync_that_fails_loses_nothing),
        cmocka_unit_test(an_open_truncate_name_read_or_map_that_fails_loses_nothing),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(the_same_holds_while_the_log_is_checkpointed),
        cmocka_unit_test(a_failed_sync_of_the_log_is_final),
        cmocka_unit_test(a_group_that_found_no_room_is_taken_later),
        cmocka_unit_test(a_power_cut_leaves_all_that_was_durable),
        cmocka_unit_test(a_power_cut_in_a_checkpoint_does_too),
        cmocka_unit_test(a_seal_that_stops_anywhere_loses_nothing),
    };
    gr_fault_arguments(argc, argv);
    gr_shim_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
