// Fuzzes the CSV reader: any bytes either read as the table they are or fail with a text that names
// line and column. The first byte chooses which columns the reader is asked for.
#include "fuzz.h"

#include "base/csv.h"
#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct gr_csv_column columns[] = {
    {"id", true},
    {"count", false},
    {"share", false},
    {"state", false},
};
static const char *const words[] = {"up", "drained", "broken", NULL};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

// The text of a failure says where: NAME:LINE:COLUMN.
static void check_failure(int rc, const struct gr_err *err)
{
    unsigned line = 0;
    unsigned column = 0;
    assert(rc == -EINVAL);
    assert(err->code == rc);
    assert(sscanf(err->text, "input:%u:%u: ", &line, &column) == 2);
    assert(line >= 1 && column >= 1);
}

static void read_field(const struct gr_csv *csv, size_t column)
{
    struct gr_err err = {0};
    struct gr_slice field = gr_csv_get(csv, column);
    assert(gr_csv_is_blank(csv, column) == (field.size == 0));
    assert(gr_csv_has(csv, column) || field.size == 0);
    assert(gr_utf8_check(field.text, field.size) == field.size);
    assert(field.size == 0 || memchr(field.text, '\0', field.size) == NULL);

    int64_t value = -7;
    int rc = gr_csv_get_int(csv, column, -5, 1000000, &value, &err);
    if (rc < 0) {
        assert(value == -7);
        check_failure(rc, &err);
    } else {
        assert(value >= -5 && value <= 1000000);
    }
    rc = gr_csv_get_decimal(csv, column, 3, 0, 1000, &value, &err);
    if (rc < 0) {
        check_failure(rc, &err);
    }
    size_t word = SIZE_MAX;
    rc = gr_csv_get_word(csv, column, words, &word, &err);
    if (rc < 0) {
        assert(word == SIZE_MAX);
        check_failure(rc, &err);
    } else {
        assert(gr_slice_is(field, words[word]));
    }
    char text[8];
    rc = gr_csv_get_text(csv, column, text, sizeof(text), &err);
    if (rc < 0) {
        check_failure(rc, &err);
    } else {
        assert(gr_slice_is(field, text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct gr_err err = {0};
    struct gr_csv *csv = NULL;
    enum gr_csv_flags flags = data[0] & 1 ? GR_CSV_OTHER_COLUMNS : GR_CSV_STRICT;
    size_t count = data[0] & 2 ? COLUMNS : 1;
    int rc = gr_csv_open_bytes("input", (const char *)data + 1, size - 1, columns, count, flags,
                               &csv, &err);
    if (rc < 0) {
        assert(csv == NULL);
        check_failure(rc, &err);
        return 0;
    }
    size_t bound = gr_csv_rows_bound(csv);
    size_t rows = 0;
    size_t line = 0;
    while ((rc = gr_csv_next(csv, &err)) == 1) {
        rows++;
        assert(gr_csv_line(csv) > line);
        line = gr_csv_line(csv);
        for (size_t i = 0; i < count; i++) {
            read_field(csv, i);
        }
    }
    assert(rows <= bound);
    if (rc < 0) {
        check_failure(rc, &err);
    } else {
        size_t done = 0;
        size_t total = 1;
        gr_csv_position(csv, &done, &total);
        assert(done == total);
    }
    gr_csv_close(csv);
    return 0;
}
