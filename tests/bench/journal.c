// The journal against a plain file: durable records a second, one group on its way at a time, and
// reading them back through the hash chain.
#include "bench.h"

#include "journal/disk.h"
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD = 128, GROUP_MAX = 1000 };

// How long each figure of a run takes.
#define SLICE_S 0.7

struct bench {
    unsigned group;   // records
    uint64_t records; // in the journal
    char root[64];    // folder of its own
    char dir[80];     // of the journal
    char plain[80];   // the file beside it
    uint8_t *bytes;   // of a group
    struct gr_journal *journal;
};

static int begin(void *context, struct gr_err *err)
{
    struct bench *bench = context;
    const char *place = getenv("TMPDIR");
    snprintf(bench->root, sizeof bench->root, "%.30s/granary-XXXXXX",
             place != NULL ? place : "/var/tmp");
    bench->bytes = malloc((size_t)GROUP_MAX * RECORD);
    if (bench->bytes == NULL || mkdtemp(bench->root) == NULL) {
        bench->root[0] = '\0';
        return gr_fail_errno(err, "make a folder for the journal");
    }
    snprintf(bench->dir, sizeof bench->dir, "%s/journal", bench->root);
    snprintf(bench->plain, sizeof bench->plain, "%s/plain", bench->root);
    for (size_t i = 0; i < (size_t)GROUP_MAX * RECORD; i++) {
        bench->bytes[i] = (uint8_t)(i * 2654435761u >> 11);
    }
    const struct gr_journal_config config = {.dir = bench->dir};
    return gr_journal_open(&config, &bench->journal, err);
}

static void end(void *context)
{
    struct bench *bench = context;
    gr_journal_close(bench->journal);
    bench->journal = NULL;
    free(bench->bytes);
    if (bench->root[0] != '\0') {
        (void)gr_disk_remove_dir(bench->root, NULL);
    }
}

// Appends groups to a new file, each synced. Returns records a second, or -errno.
static int run_plain(struct bench *bench, double *ret_rate, struct gr_err *err)
{
    size_t size = (size_t)bench->group * RECORD;
    uint64_t groups = 0;
    double start = gr_bench_now_s();
    double now = start;
    int fd = gr_disk_open(bench->plain, O_WRONLY | O_CREAT | O_TRUNC, err);
    int rc = fd < 0 ? fd : 0;
    for (; rc == 0 && now - start < SLICE_S; now = gr_bench_now_s()) {
        rc = gr_disk_write(fd, bench->bytes, size, groups * size, bench->plain, err);
        rc = rc < 0 ? rc : gr_disk_sync(fd, bench->plain, err);
        groups++;
    }
    if (fd >= 0) {
        close(fd);
    }
    *ret_rate = (double)(groups * bench->group) / (now - start);
    return rc;
}

// The same groups through the journal.
static int run_journal(struct bench *bench, double *ret_rate, struct gr_err *err)
{
    uint64_t groups = 0;
    double start = gr_bench_now_s();
    double now = start;
    int rc = 1;
    for (; rc == 1 && now - start < SLICE_S; now = gr_bench_now_s()) {
        struct gr_journal_tip tip = gr_journal_tip_get(bench->journal);
        const struct gr_journal_group group = {
            .first = tip.sequence + 1,
            .last = tip.sequence + bench->group,
            .epoch = tip.epoch,
            .payload = bench->bytes,
            .payload_size = (size_t)bench->group * RECORD,
        };
        rc = gr_journal_append(bench->journal, &group, tip.sequence, err);
        rc = rc < 0 ? rc : gr_journal_wait(bench->journal, err);
        groups++;
    }
    bench->records += groups * bench->group;
    *ret_rate = (double)(groups * bench->group) / (now - start);
    return rc < 0 ? rc : 0;
}

static int run_write(void *context, double *ret_values, struct gr_err *err)
{
    struct bench *bench = context;
    int rc = run_plain(bench, &ret_values[0], err);
    return rc < 0 ? rc : run_journal(bench, &ret_values[1], err);
}

// Each record that was said to be durable must be there, and the chain must hold.
static int audit(void *context, struct gr_err *err)
{
    struct bench *bench = context;
    struct gr_journal_verified found;
    gr_journal_close(bench->journal);
    bench->journal = NULL;
    int rc = gr_journal_verify(bench->dir, NULL, NULL, &found, err);
    if (rc == 0 && (found.last != bench->records || found.payload_bytes != found.last * RECORD)) {
        rc = gr_fail(err, -EIO, "%llu records were durable, %llu are there",
                     (unsigned long long)bench->records, (unsigned long long)found.last);
    }
    return rc;
}

// --- reading

static int begin_read(void *context, struct gr_err *err)
{
    struct bench *bench = context;
    double rate;
    int rc = begin(context, err);
    return rc < 0 ? rc : run_journal(bench, &rate, err);
}

static int run_read(void *context, double *ret_values, struct gr_err *err)
{
    struct bench *bench = context;
    struct gr_journal_reader *reader;
    struct gr_journal_group group = {0};
    double start = gr_bench_now_s();
    int rc = gr_journal_reader_open(bench->dir, 1, &reader, err);
    if (rc < 0) {
        return rc;
    }
    while ((rc = gr_journal_reader_next(reader, &group, err)) == 1) {
    }
    gr_journal_reader_close(reader);
    ret_values[0] = (double)group.last / (gr_bench_now_s() - start);
    if (rc == 0 && group.last != bench->records) {
        rc = gr_fail(err, -EIO, "not all records were read");
    }
    return rc;
}

int main(int argc, char **argv)
{
    static const struct gr_bench_figure figures_100[] = {
        {"append_100_per_s", "records/s", "limit", 250000},
        {"journal_100_per_s", "records/s", "append_100_per_s", 0},
    };
    static const struct gr_bench_figure figures_1000[] = {
        {"append_1000_per_s", "records/s", "limit", 250000},
        {"journal_1000_per_s", "records/s", "append_1000_per_s", 0},
    };
    static const struct gr_bench_figure figures_read[] = {
        {"journal_read_per_s", "records/s", "limit", 2500000},
    };
    static struct bench small = {.group = 100};
    static struct bench large = {.group = GROUP_MAX};
    static struct bench read = {.group = GROUP_MAX};
    const struct gr_bench benches[] = {
        {figures_100, 2, 9, &small, begin, run_write, audit, end},
        {figures_1000, 2, 9, &large, begin, run_write, audit, end},
        {figures_read, 1, 9, &read, begin_read, run_read, audit, end},
    };
    return gr_bench_main(argc, argv, benches, sizeof benches / sizeof benches[0]);
}
