// The reader of quotas: see quotas_csv.h.
#include "replay/quotas_csv.h"

#include "base/csv.h"
#include "base/words.h"
#include "core/terms.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Most quotas of one file.
#define QUOTAS_MAX 65536

enum { QUEUE, KIND, NOMINAL, BORROW, LEND };

static const struct gr_csv_column columns[] = {[QUEUE] = {"queue", true},
                                               [KIND] = {"kind", true},
                                               [NOMINAL] = {"nominal", true},
                                               [BORROW] = {"borrow", false},
                                               [LEND] = {"lend", false}};
#define COLUMNS (sizeof columns / sizeof columns[0])

// The number of a name among those of the trace, which are the ones that are there from `first`.
static int find(const struct gr_csv *csv, size_t column, const char *const *names, size_t first,
                size_t count, const char *expected, uint32_t *ret_index, struct gr_err *err)
{
    struct gr_slice text = gr_csv_get(csv, column);
    for (size_t i = first; i < count; i++) {
        if (gr_slice_is(text, names[i])) {
            *ret_index = (uint32_t)i;
            return 0;
        }
    }
    char quote[GR_WORDS_QUOTE_SIZE];
    return gr_csv_fail(csv, column, err, "found %s, expected %s", gr_words_quote(text, quote),
                       expected);
}

static int read_amount(const struct gr_csv *csv, size_t column, int64_t most_milli, bool may_blank,
                       uint64_t *ret_milli, struct gr_err *err)
{
    int64_t milli = 0;
    if (may_blank && gr_csv_is_blank(csv, column)) {
        *ret_milli = GR_ANY_MILLI;
        return 0;
    }
    int code = gr_csv_get_decimal(csv, column, 3, 0, most_milli, &milli, err);
    *ret_milli = (uint64_t)milli;
    return code;
}

static int read_quota(const struct gr_trace *trace, const struct gr_csv *csv,
                      struct gr_trace_quota *quota, struct gr_err *err)
{
    int code = find(csv, QUEUE, trace->queues, 1, trace->queue_count,
                    "the name of a queue that the jobs name", &quota->queue, err);
    if (code == 0) {
        code = find(csv, KIND, trace->models, 0, trace->model_count, "a model that a node has",
                    &quota->model, err);
    }
    if (code == 0) {
        code = read_amount(csv, NOMINAL, GR_QUOTA_MILLI_MAX, false, &quota->nominal_milli, err);
    }
    if (code == 0) {
        code = read_amount(csv, BORROW, GR_QUOTA_MILLI_MAX, true, &quota->borrow_milli, err);
    }
    if (code == 0) {
        code = read_amount(csv, LEND, (int64_t)quota->nominal_milli, true, &quota->lend_milli, err);
    }
    for (size_t i = 0; code == 0 && i < trace->quota_count; i++) {
        if (trace->quotas[i].queue == quota->queue && trace->quotas[i].model == quota->model) {
            code = gr_csv_fail_line(csv, err,
                                    "found a second quota for this queue and kind, expected one");
        }
    }
    return code;
}

static int read_all(struct gr_trace *trace, struct gr_csv *csv, struct gr_err *err)
{
    int code;
    while ((code = gr_csv_next(csv, err)) == 1) {
        struct gr_trace_quota quota = {0};
        code = read_quota(trace, csv, &quota, err);
        if (code < 0) {
            return code;
        }
        if (trace->quota_count == QUOTAS_MAX) {
            return gr_csv_fail_line(csv, err, "found more than %d quotas, expected no more",
                                    QUOTAS_MAX);
        }
        struct gr_trace_quota *grown =
            reallocarray(trace->quotas, trace->quota_count + 1, sizeof *grown);
        if (grown == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for quotas");
        }
        trace->quotas = grown;
        trace->quotas[trace->quota_count++] = quota;
    }
    return code;
}

int gr_quotas_read(struct gr_trace *trace, const char *path, struct gr_err *err)
{
    assert(trace->quota_count == 0);
    struct gr_csv *csv = NULL;
    int code = gr_csv_open(path, columns, COLUMNS, GR_CSV_STRICT, &csv, err);
    if (code == 0) {
        code = read_all(trace, csv, err);
        gr_csv_close(csv);
    }
    return code;
}

int gr_quotas_read_bytes(struct gr_trace *trace, const char *name, const char *bytes, size_t size,
                         struct gr_err *err)
{
    assert(trace->quota_count == 0);
    struct gr_csv *csv = NULL;
    int code = gr_csv_open_bytes(name, bytes, size, columns, COLUMNS, GR_CSV_STRICT, &csv, err);
    if (code == 0) {
        code = read_all(trace, csv, err);
        gr_csv_close(csv);
    }
    return code;
}
