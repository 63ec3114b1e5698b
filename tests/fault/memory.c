// The nth allocation fails, once or for ever, the journal's own or SQLite's: nothing crashes or
// leaks, what was said to be durable is there, and with memory again all goes on.
#include "fault.h"
#include "shim_memory.h"

#include <sys/stat.h>

// --- the sweeps

static const struct gr_shim_plan idle = {.is_idle = true};

static void writing_without_memory_loses_nothing(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        unsigned stride = gr_fault_stride(17);
        bool is_reached = true;
        for (unsigned long nth = 1; is_reached; nth += stride) {
            struct fixture f;
            struct gr_told told = {0};
            char where[80];
            fixture_init(&f);
            gr_shim_begin(f.root, &idle);
            gr_memory_begin(nth, k == 1);
            gr_fault_write(f.dir, 3, 20000, &told);
            is_reached = gr_memory_end();
            snprintf(where, sizeof where, "allocation %lu%s", nth, k == 1 ? " and all after" : "");
            gr_fault_check(f.dir, &told, where);
            gr_shim_end();
            fixture_done(&f);
        }
    }
}

// All that reads or cares for a journal. Returns the first failure.
static int read_and_care(struct fixture *f)
{
    struct gr_journal_verified verified;
    struct gr_journal_reader *reader;
    struct gr_journal_group group;
    int rc = gr_journal_reader_open(f->dir, 2, &reader, &f->err);
    if (rc == 0) {
        do {
            rc = gr_journal_reader_next(reader, &group, &f->err);
        } while (rc == 1);
        rc = rc < 0 ? rc : gr_journal_reader_find(reader, 1, &group, &f->err);
        gr_journal_reader_close(reader);
    }
    rc = rc < 0 ? rc : gr_journal_verify(f->dir, NULL, NULL, &verified, &f->err);
    rc = rc < 0 ? rc : gr_journal_seal(f->dir, 4, &f->err);
    rc = rc < 0 ? rc : gr_journal_verify(f->dir, NULL, NULL, &verified, &f->err);
    return rc < 0 ? rc : gr_journal_backup(f->dir, f->other, &f->err);
}

static void reading_and_care_without_memory_lose_nothing(void **state)
{
    (void)state;
    unsigned stride = gr_fault_stride(61);
    bool is_reached = true;
    for (unsigned long nth = 1; is_reached; nth += stride) {
        struct fixture f;
        struct gr_told told = {0};
        char where[80];
        fixture_init(&f);
        gr_shim_begin(f.root, &idle);
        gr_fault_write(f.dir, 4, 3000, &told);
        snprintf(where, sizeof where, "allocation %lu", nth);
        gr_memory_begin(nth, false);
        int rc = read_and_care(&f);
        is_reached = gr_memory_end();
        if (rc < 0 && rc != -ENOMEM && rc != -EIO) {
            fail_msg("%s: %d: %s", where, rc, f.err.text);
        }
        if (rc < 0) { // a copy that failed left nothing
            assert_int_equal(access(f.other, F_OK), -1);
        }
        gr_fault_check(f.dir, &told, where);
        gr_shim_end();
        fixture_done(&f);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_without_memory_loses_nothing),
        cmocka_unit_test(reading_and_care_without_memory_lose_nothing),
    };
    gr_fault_arguments(argc, argv);
    gr_memory_install();
    gr_shim_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
