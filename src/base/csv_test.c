// Tests of the CSV reader: what it takes, and the exact place and words of what it refuses.
#include "base/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { NAME, COUNT, NOTE };
static const struct gr_csv_column columns[] = {
    [NAME] = {"name", true},
    [COUNT] = {"count", true},
    [NOTE] = {"note", false},
};

static int open_text(const char *text, size_t size, enum gr_csv_flags flags,
                     struct gr_csv **ret_csv, struct gr_err *err)
{
    gr_err_init(err);
    return gr_csv_open_bytes("f.csv", text, size, columns, 3, flags, ret_csv, err);
}

// Opens and reads to the end; returns the first error or the number of lines.
static int read_lines(const char *text, size_t size, enum gr_csv_flags flags, struct gr_err *err)
{
    struct gr_csv *csv = NULL;
    int code = open_text(text, size, flags, &csv, err);
    int lines = 0;
    while (code == 0 && (code = gr_csv_next(csv, err)) == 1) {
        code = 0;
        lines++;
    }
    gr_csv_close(csv);
    return code < 0 ? code : lines;
}

static void assert_error(const char *text, const char *expected)
{
    struct gr_err err;
    assert_int_equal(read_lines(text, strlen(text), GR_CSV_STRICT, &err), -EINVAL);
    assert_string_equal(err.text, expected);
}

static void assert_field(const struct gr_csv *csv, size_t column, const char *expected)
{
    struct gr_slice slice = gr_csv_get(csv, column);
    assert_int_equal(slice.size, strlen(expected));
    assert_memory_equal(slice.text, expected, slice.size);
}

static void fields_come_by_the_callers_columns_in_any_order(void **state)
{
    (void)state;
    const char text[] = "\xef\xbb\xbf"
                        "count,name\r\n3,\"a,\"\"b\"\"\nc\"\r\n4,plain";
    struct gr_err err;
    struct gr_csv *csv = NULL;
    assert_int_equal(open_text(text, sizeof text - 1, GR_CSV_STRICT, &csv, &err), 0);
    assert_true(gr_csv_rows_bound(csv) >= 2);
    assert_int_equal(gr_csv_next(csv, &err), 1);
    assert_int_equal(gr_csv_line(csv), 2);
    assert_field(csv, NAME, "a,\"b\"\nc");
    int64_t value = 0;
    assert_int_equal(gr_csv_get_int(csv, COUNT, 0, 10, &value, &err), 0);
    assert_int_equal(value, 3);
    assert_false(gr_csv_has(csv, NOTE));
    assert_true(gr_csv_is_blank(csv, NOTE));
    assert_int_equal(gr_csv_next(csv, &err), 1);
    assert_int_equal(gr_csv_line(csv), 4);
    assert_field(csv, NAME, "plain");
    assert_int_equal(gr_csv_next(csv, &err), 0);
    assert_int_equal(gr_csv_next(csv, &err), 0);
    gr_csv_close(csv);
}

static void a_complete_last_line_needs_no_line_end(void **state)
{
    (void)state;
    struct gr_err err;
    assert_int_equal(read_lines("name,count\na,1", 14, GR_CSV_STRICT, &err), 1);
    assert_int_equal(read_lines("name,count", 10, GR_CSV_STRICT, &err), 0);
}

static void blank_lines_at_the_end_are_skipped(void **state)
{
    (void)state;
    struct gr_err err;
    static const char text[] = "name,count\na,1\n\n\r\n\n";
    assert_int_equal(read_lines(text, sizeof text - 1, GR_CSV_STRICT, &err), 1);
    static const char carriage_return[] = "name,count\na,1\n\n\r";
    assert_int_equal(read_lines(carriage_return, sizeof carriage_return - 1, GR_CSV_STRICT, &err),
                     -EINVAL);
}

static void a_cut_off_last_line_is_refused(void **state)
{
    (void)state;
    assert_error("name,count\na,1\nb", "f.csv:3:1: found a last line that is cut off: 1 field, "
                                       "expected 2 as in the first line");
    assert_error("name,count\na,1\n\"b", "f.csv:3:1: found a quote that is never closed, expected "
                                         "another '\"' before the end of the file");
}

static void wrong_numbers_of_fields_are_refused(void **state)
{
    (void)state;
    assert_error("name,count\na\nb,1\n",
                 "f.csv:2:1: found 1 field, expected 2 as in the first line");
    assert_error("name,count\n\na,1\n",
                 "f.csv:2:1: found 1 field, expected 2 as in the first line");
    assert_error("name,count\n\xc3\xa4,1,x\n",
                 "f.csv:2:5: found more than 2 fields, expected no more");
}

static void quotes_out_of_place_are_refused(void **state)
{
    (void)state;
    assert_error("name,count\na\"b,1\n",
                 "f.csv:2:2: found a quote inside an unquoted field, "
                 "expected the whole field in quotes and the quote doubled");
    assert_error("name,count\n\"a\"b,1\n", "f.csv:2:4: found text after a closing quote, expected "
                                           "',' or the end of the line");
    // the position counts from the field's own line, after a line end inside quotes
    assert_error(
        "name,count\n\"a\n\"\"\xe2\x82\xac\"x,1\n",
        "f.csv:3:5: found text after a closing quote, expected ',' or the end of the line");
}

static void a_lone_carriage_return_is_refused(void **state)
{
    (void)state;
    const char *expected =
        "f.csv:2:4: found a carriage return without a line feed, expected LF or CR LF";
    assert_error("name,count\na,1\rb,2\n", expected);
    assert_error("name,count\na,1\r", expected);
}

static void bytes_that_are_not_text_are_refused(void **state)
{
    (void)state;
    struct gr_err err;
    assert_error("name,count\na\xff,1\n", "f.csv:2:2: found the byte 0xff, expected valid UTF-8");
    assert_error("name,count\n\xc3\xa4\xed\xa0\x80,1\n",
                 "f.csv:2:2: found the byte 0xed, expected valid UTF-8");
    assert_error("name,count\na,1\xe2\x82", "f.csv:2:4: found the byte 0xe2, expected valid UTF-8");
    assert_error("name,count\n\x1b[2J,1\n",
                 "f.csv:2:1: found the control character U+001B, expected text");
    assert_int_equal(read_lines("name,count\na\0b,1\n", 17, GR_CSV_STRICT, &err), -EINVAL);
    assert_string_equal(err.text, "f.csv:2:2: found a NUL character, expected text");
}

static void the_first_line_is_checked_against_the_columns(void **state)
{
    (void)state;
    struct gr_err err;
    assert_error("",
                 "f.csv:1:1: found an empty file, expected a first line that names the columns");
    assert_error("name\n", "f.csv:1:1: found no column 'count', expected it in the first line");
    assert_error("name,count,name\n",
                 "f.csv:1:12: found the column 'name' twice, expected each name once");
    assert_error("name,cuont\n",
                 "f.csv:1:6: found the unknown column 'cuont', expected perhaps 'count'");
    assert_error("name,count,zzz\n", "f.csv:1:12: found the unknown column 'zzz', expected name, "
                                     "count or note");
    assert_error("name,,count\n",
                 "f.csv:1:6: found a column without a name, expected a name in the first line");
    const char other[] = "x,count,y,name\n1,2,3,4\n";
    assert_int_equal(read_lines(other, sizeof other - 1, GR_CSV_OTHER_COLUMNS, &err), 1);
}

// Reads one line `field,1` and returns the reader at it.
static struct gr_csv *at_field(const char *field)
{
    static char text[256];
    struct gr_err err;
    struct gr_csv *csv = NULL;
    int size = snprintf(text, sizeof text, "count,name\n%s,x\n", field);
    assert_int_equal(open_text(text, (size_t)size, GR_CSV_STRICT, &csv, &err), 0);
    assert_int_equal(gr_csv_next(csv, &err), 1);
    return csv;
}

static void numbers_are_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "+1",
                                      "0x10",
                                      "1e3",
                                      "1.0",
                                      "--1",
                                      "-",
                                      "101",
                                      "-11",
                                      "9223372036854775808",
                                      "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gr_csv *csv = at_field(bad[i]);
        struct gr_err err;
        int64_t value = 77;
        assert_int_equal(gr_csv_get_int(csv, COUNT, -10, 100, &value, &err), -EINVAL);
        assert_int_equal(value, 77);
        gr_csv_close(csv);
    }
    struct gr_csv *csv = at_field("-9223372036854775808");
    struct gr_err err;
    int64_t value = 0;
    assert_int_equal(gr_csv_get_int(csv, COUNT, INT64_MIN, INT64_MAX, &value, &err), 0);
    assert_true(value == INT64_MIN);
    gr_csv_close(csv);
    csv = at_field("x");
    assert_int_equal(gr_csv_get_int(csv, COUNT, 0, 8, &value, &err), -EINVAL);
    assert_string_equal(
        err.text, "f.csv:2:1: column 'count': found 'x', expected a whole number from 0 to 8");
    gr_csv_close(csv);
}

static void decimals_are_scaled_exactly(void **state)
{
    (void)state;
    struct gr_err err;
    int64_t value = 0;
    struct gr_csv *csv = at_field("19.45");
    assert_int_equal(gr_csv_get_decimal(csv, COUNT, 3, 0, 100000, &value, &err), 0);
    assert_int_equal(value, 19450);
    assert_int_equal(gr_csv_get_decimal(csv, COUNT, 1, 0, 1000, &value, &err), -EINVAL);
    assert_string_equal(err.text,
                        "f.csv:2:1: column 'count': found '19.45', expected a number from "
                        "0 to 100 with at most 1 digits after the point");
    gr_csv_close(csv);
}

static void words_are_listed_when_none_fits(void **state)
{
    (void)state;
    static const char *const words[] = {"yes", "no", NULL};
    struct gr_err err;
    size_t index = 9;
    struct gr_csv *csv = at_field("no");
    assert_int_equal(gr_csv_get_word(csv, COUNT, words, &index, &err), 0);
    assert_int_equal(index, 1);
    gr_csv_close(csv);
    csv = at_field("No");
    assert_int_equal(gr_csv_get_word(csv, COUNT, words, &index, &err), -EINVAL);
    assert_string_equal(err.text, "f.csv:2:1: column 'count': found 'No', expected yes or no");
    gr_csv_close(csv);
}

static void texts_are_copied_only_if_they_fit(void **state)
{
    (void)state;
    struct gr_err err;
    char buffer[4] = "---";
    struct gr_csv *csv = at_field("abcd");
    assert_int_equal(gr_csv_get_text(csv, COUNT, buffer, sizeof buffer, &err), -EINVAL);
    assert_string_equal(buffer, "---");
    assert_string_equal(err.text,
                        "f.csv:2:1: column 'count': found a text of 4 bytes, expected at most 3");
    assert_int_equal(gr_csv_fail_line(csv, &err, "odd"), -EINVAL);
    assert_string_equal(err.text, "f.csv:2:1: odd");
    gr_csv_close(csv);
}

static void files_that_cannot_be_read_say_why(void **state)
{
    (void)state;
    struct gr_err err;
    struct gr_csv *csv = NULL;
    assert_int_equal(gr_csv_open("/nonexistent", columns, 3, GR_CSV_STRICT, &csv, &err), -ENOENT);
    assert_int_equal(gr_csv_open("/tmp", columns, 3, GR_CSV_STRICT, &csv, &err), -EISDIR);
    assert_int_equal(gr_csv_open("/dev/null", columns, 3, GR_CSV_STRICT, &csv, &err), -EINVAL);
    assert_int_equal(gr_csv_open("/dev/zero", columns, 3, GR_CSV_STRICT, &csv, &err), -EINVAL);
    assert_string_equal(err.text, "/dev/zero:1:1: found a NUL character, expected text");
    assert_null(csv);
}

static void a_file_is_read_whole(void **state)
{
    (void)state;
    char path[] = "/tmp/granary-csv-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    fputs("name,count\n", file);
    for (int i = 0; i < 50000; i++) {
        fprintf(file, "n%d,%d\n", i, i);
    }
    fclose(file);
    struct gr_err err;
    struct gr_csv *csv = NULL;
    assert_int_equal(gr_csv_open(path, columns, 3, GR_CSV_STRICT, &csv, &err), 0);
    int64_t sum = 0;
    while (gr_csv_next(csv, &err) == 1) {
        int64_t value = 0;
        assert_int_equal(gr_csv_get_int(csv, COUNT, 0, 50000, &value, &err), 0);
        sum += value;
    }
    assert_int_equal(sum, 1249975000);
    size_t done = 0;
    size_t total = 1;
    gr_csv_position(csv, &done, &total);
    assert_int_equal(done, total);
    gr_csv_close(csv);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_by_the_callers_columns_in_any_order),
        cmocka_unit_test(a_complete_last_line_needs_no_line_end),
        cmocka_unit_test(blank_lines_at_the_end_are_skipped),
        cmocka_unit_test(a_cut_off_last_line_is_refused),
        cmocka_unit_test(wrong_numbers_of_fields_are_refused),
        cmocka_unit_test(quotes_out_of_place_are_refused),
        cmocka_unit_test(a_lone_carriage_return_is_refused),
        cmocka_unit_test(bytes_that_are_not_text_are_refused),
        cmocka_unit_test(the_first_line_is_checked_against_the_columns),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(decimals_are_scaled_exactly),
        cmocka_unit_test(words_are_listed_when_none_fits),
        cmocka_unit_test(texts_are_copied_only_if_they_fit),
        cmocka_unit_test(files_that_cannot_be_read_say_why),
        cmocka_unit_test(a_file_is_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
