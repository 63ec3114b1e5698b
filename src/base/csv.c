// The reader of CSV files: see csv.h. Must never read past the bytes it was given, allocate per
// line, or go on after an error.
#include "base/csv.h"

#include "base/file.h"
#include "base/number.h"
#include "base/utf8.h"
#include "base/words.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NO_FIELD UINT32_MAX

struct field {
    const char *text; // in the file, or in `scratch` if quotes had to be taken out
    uint32_t size;    // bytes
    uint32_t at;      // where the field starts, in bytes from the start of its record
};

struct gr_csv {
    char *name;        // of the file, for errors
    char *owned;       // the bytes, if they are ours
    const char *bytes; // the whole file
    size_t size;
    size_t record;      // offset of the current record
    size_t record_line; // its first line, from 1
    size_t next;        // offset of the next record
    size_t next_line;
    const struct gr_csv_column *columns; // the caller's
    size_t column_count;
    uint32_t *map; // caller's column -> field in the file, or NO_FIELD
    size_t field_count;
    struct field *fields; // of the current record
    char *scratch;        // room for unquoted text: as large as the file, touched as it is used
    size_t scratch_used;
};

// ---- errors -------------------------------------------------------------------------------------

// Turns an offset into a line and a character position, counting from a known line start.
static int fail_at(const struct gr_csv *csv, size_t from, size_t from_line, size_t offset,
                   struct gr_err *err, const char *what)
{
    assert(from <= offset);
    assert(offset <= csv->size);
    size_t line = from_line;
    size_t start = from;
    const char *end;
    while ((end = memchr(csv->bytes + start, '\n', offset - start)) != NULL) {
        start = (size_t)(end - csv->bytes) + 1;
        line++;
    }
    size_t column = gr_utf8_count(csv->bytes + start, offset - start) + 1;
    return gr_fail(err, -EINVAL, "%s:%zu:%zu: %s", csv->name, line, column, what);
}

__attribute__((format(printf, 4, 5))) static int
fail_in_record(const struct gr_csv *csv, size_t offset, struct gr_err *err, const char *fmt, ...)
{
    char what[GR_ERR_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return fail_at(csv, csv->record, csv->record_line, offset, err, what);
}

int gr_csv_fail(const struct gr_csv *csv, size_t column, struct gr_err *err, const char *fmt, ...)
{
    assert(column < csv->column_count);
    char what[GR_ERR_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    uint32_t field = csv->map[column];
    size_t offset = csv->record + (field == NO_FIELD ? 0 : csv->fields[field].at);
    return fail_in_record(csv, offset, err, "column '%s': %s", csv->columns[column].name, what);
}

int gr_csv_fail_line(const struct gr_csv *csv, struct gr_err *err, const char *fmt, ...)
{
    char what[GR_ERR_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return fail_in_record(csv, csv->record, err, "%s", what);
}

// ---- characters ---------------------------------------------------------------------------------

// Refuses what may not be in the file at all, so that everything after may rely on it.
static int check_characters(const struct gr_csv *csv, struct gr_err *err)
{
    for (size_t at = 0; at < csv->size;) {
        unsigned char c = (unsigned char)csv->bytes[at];
        if ((c >= 0x20 && c < 0x7f) || c == '\n' || c == '\r' || c == '\t') {
            at++;
            continue;
        }
        uint32_t point;
        size_t length = gr_utf8_read(csv->bytes + at, csv->size - at, &point);
        if (length == 0) {
            char what[80];
            snprintf(what, sizeof what, "found the byte 0x%02x, expected valid UTF-8", c);
            return fail_at(csv, 0, 1, at, err, what);
        }
        if (point == 0) {
            return fail_at(csv, 0, 1, at, err, "found a NUL character, expected text");
        }
        if (gr_utf8_is_control(point)) {
            char what[80];
            snprintf(what, sizeof what,
                     "found the control character U+%04" PRIX32 ", expected text", point);
            return fail_at(csv, 0, 1, at, err, what);
        }
        at += length;
    }
    return 0;
}

// ---- records ------------------------------------------------------------------------------------

// Takes out doubled quotes: `text` is the inside of a quoted field that has some.
static int unescape(struct gr_csv *csv, const char *text, size_t size, struct field *ret_field,
                    struct gr_err *err)
{
    if (csv->scratch == NULL) {
        csv->scratch = malloc(csv->size);
        if (csv->scratch == NULL) {
            return gr_fail(err, -ENOMEM, "%s: not enough memory to unquote fields", csv->name);
        }
    }
    assert(csv->scratch_used + size <= csv->size);
    char *out = csv->scratch + csv->scratch_used;
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        out[used++] = text[i];
        i += text[i] == '"';
    }
    csv->scratch_used += used;
    ret_field->text = out;
    ret_field->size = (uint32_t)used;
    return 0;
}

// Reads a quoted field that starts at `start` (the quote); stores where the text after it goes on.
static int read_quoted(struct gr_csv *csv, size_t start, struct field *ret_field, size_t *ret_after,
                       struct gr_err *err)
{
    size_t at = start + 1;
    bool doubled = false;
    for (;;) {
        const char *quote = memchr(csv->bytes + at, '"', csv->size - at);
        if (quote == NULL) {
            return fail_in_record(csv, start, err,
                                  "found a quote that is never closed, expected another '\"' "
                                  "before the end of the file");
        }
        at = (size_t)(quote - csv->bytes) + 1;
        if (at == csv->size || csv->bytes[at] != '"') {
            break;
        }
        doubled = true;
        at++;
    }
    *ret_after = at;
    if (doubled) {
        return unescape(csv, csv->bytes + start + 1, at - start - 2, ret_field, err);
    }
    ret_field->text = csv->bytes + start + 1;
    ret_field->size = (uint32_t)(at - start - 2);
    return 0;
}

// Whether the record's field at `at` is over, and how long the line end there is.
static bool is_line_end(const struct gr_csv *csv, size_t at, size_t *ret_length)
{
    *ret_length = 0;
    if (at == csv->size) {
        return true;
    }
    if (csv->bytes[at] == '\n') {
        *ret_length = 1;
        return true;
    }
    if (csv->bytes[at] == '\r' && at + 1 < csv->size && csv->bytes[at + 1] == '\n') {
        *ret_length = 2;
        return true;
    }
    return false;
}

static int fail_stray(const struct gr_csv *csv, size_t at, bool after_quote, struct gr_err *err)
{
    if (csv->bytes[at] == '\r') {
        return fail_in_record(csv, at, err,
                              "found a carriage return without a line feed, expected LF or CR LF");
    }
    if (after_quote) {
        return fail_in_record(csv, at, err,
                              "found text after a closing quote, expected ',' or the end of the "
                              "line");
    }
    return fail_in_record(csv, at, err,
                          "found a quote inside an unquoted field, expected the whole field in "
                          "quotes and the quote doubled");
}

// Splits the record at csv->record into at most `limit` fields and moves csv->next behind it.
static int read_record(struct gr_csv *csv, struct field *fields, size_t limit, size_t *ret_count,
                       struct gr_err *err)
{
    static const bool ends[256] = {[','] = true, ['\n'] = true, ['\r'] = true, ['"'] = true};
    size_t at = csv->record;
    size_t count = 0;
    csv->scratch_used = 0;
    for (;;) {
        if (count == limit) {
            return fail_in_record(csv, at, err, "found more than %zu fields, expected no more",
                                  limit);
        }
        struct field *field = &fields[count++];
        field->at = (uint32_t)(at - csv->record);
        bool quoted = at < csv->size && csv->bytes[at] == '"';
        if (quoted) {
            int code = read_quoted(csv, at, field, &at, err);
            if (code < 0) {
                return code;
            }
        } else {
            size_t start = at;
            while (at < csv->size && !ends[(unsigned char)csv->bytes[at]]) {
                at++;
            }
            field->text = csv->bytes + start;
            field->size = (uint32_t)(at - start);
        }
        if (at < csv->size && csv->bytes[at] == ',') {
            at++;
            continue;
        }
        size_t length;
        if (!is_line_end(csv, at, &length)) {
            return fail_stray(csv, at, quoted, err);
        }
        csv->next = at + length;
        *ret_count = count;
        return 0;
    }
}

static size_t count_line_ends(const char *bytes, size_t size)
{
    size_t count = 0;
    const char *end = bytes + size;
    for (const char *at = bytes; at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL;
         at++) {
        count++;
    }
    return count;
}

// Whether only line ends are left, which say nothing where a line has more than one field.
static bool is_blank_end(const struct gr_csv *csv)
{
    size_t at = csv->next;
    while (at < csv->size &&
           (csv->bytes[at] == '\n' ||
            (csv->bytes[at] == '\r' && at + 1 < csv->size && csv->bytes[at + 1] == '\n'))) {
        at++;
    }
    return at == csv->size;
}

int gr_csv_next(struct gr_csv *csv, struct gr_err *err)
{
    assert(csv != NULL);
    if (is_blank_end(csv)) {
        csv->next = csv->size; // so that progress reaches its end
        return 0;
    }
    csv->record = csv->next;
    csv->record_line = csv->next_line;
    size_t count = 0;
    int code = read_record(csv, csv->fields, csv->field_count, &count, err);
    if (code < 0) {
        return code;
    }
    if (count < csv->field_count) {
        bool cut = csv->next == csv->size && csv->bytes[csv->size - 1] != '\n';
        return fail_in_record(csv, csv->record, err,
                              "found %s%zu field%s, expected %zu as in the first line",
                              cut ? "a last line that is cut off: " : "", count,
                              count == 1 ? "" : "s", csv->field_count);
    }
    csv->next_line += count_line_ends(csv->bytes + csv->record, csv->next - csv->record);
    return 1;
}

// ---- header -------------------------------------------------------------------------------------

static size_t find_column(const struct gr_csv *csv, struct gr_slice name)
{
    size_t i = 0;
    while (i < csv->column_count && !gr_slice_is(name, csv->columns[i].name)) {
        i++;
    }
    return i;
}

static int fail_unknown(const struct gr_csv *csv, const struct field *field, struct gr_err *err)
{
    const char **names = calloc(csv->column_count + 1, sizeof *names);
    if (names == NULL) {
        return gr_fail(err, -ENOMEM, "%s: not enough memory", csv->name);
    }
    for (size_t i = 0; i < csv->column_count; i++) {
        names[i] = csv->columns[i].name;
    }
    struct gr_slice text = {field->text, field->size};
    char quote[GR_WORDS_QUOTE_SIZE];
    char list[512];
    const char *near = gr_words_nearest(text, names);
    int code;
    if (near != NULL) {
        code = fail_in_record(csv, csv->record + field->at, err,
                              "found the unknown column %s, expected perhaps '%s'",
                              gr_words_quote(text, quote), near);
    } else {
        code = fail_in_record(csv, csv->record + field->at, err,
                              "found the unknown column %s, expected %s",
                              gr_words_quote(text, quote), gr_words_list(names, list, sizeof list));
    }
    free(names);
    return code;
}

static int check_name_once(const struct gr_csv *csv, size_t index, struct gr_err *err)
{
    const struct field *field = &csv->fields[index];
    struct gr_slice name = {field->text, field->size};
    char quote[GR_WORDS_QUOTE_SIZE];
    if (name.size == 0) {
        return fail_in_record(csv, csv->record + field->at, err,
                              "found a column without a name, expected a name in the first line");
    }
    for (size_t i = 0; i < index; i++) {
        if (gr_slice_equal(name, (struct gr_slice){csv->fields[i].text, csv->fields[i].size})) {
            return fail_in_record(csv, csv->record + field->at, err,
                                  "found the column %s twice, expected each name once",
                                  gr_words_quote(name, quote));
        }
    }
    return 0;
}

static int read_header(struct gr_csv *csv, enum gr_csv_flags flags, struct gr_err *err)
{
    if (csv->next == csv->size) {
        return fail_at(csv, 0, 1, csv->size, err,
                       "found an empty file, expected a first line that names the columns");
    }
    csv->fields = calloc(GR_CSV_COLUMNS_MAX, sizeof *csv->fields);
    csv->map = malloc(csv->column_count * sizeof *csv->map);
    if (csv->fields == NULL || csv->map == NULL) {
        return gr_fail(err, -ENOMEM, "%s: not enough memory", csv->name);
    }
    csv->record = csv->next;
    int code = read_record(csv, csv->fields, GR_CSV_COLUMNS_MAX, &csv->field_count, err);
    if (code < 0) {
        return code;
    }
    for (size_t c = 0; c < csv->column_count; c++) {
        csv->map[c] = NO_FIELD;
    }
    for (size_t i = 0; i < csv->field_count; i++) {
        code = check_name_once(csv, i, err);
        if (code < 0) {
            return code;
        }
        size_t column =
            find_column(csv, (struct gr_slice){csv->fields[i].text, csv->fields[i].size});
        if (column < csv->column_count) {
            csv->map[column] = (uint32_t)i;
        } else if ((flags & GR_CSV_OTHER_COLUMNS) == 0) {
            return fail_unknown(csv, &csv->fields[i], err);
        }
    }
    for (size_t c = 0; c < csv->column_count; c++) {
        if (csv->columns[c].required && csv->map[c] == NO_FIELD) {
            return fail_in_record(csv, csv->record, err,
                                  "found no column '%s', expected it in the first line",
                                  csv->columns[c].name);
        }
    }
    csv->next_line += count_line_ends(csv->bytes + csv->record, csv->next - csv->record);
    return 0;
}

// ---- opening ------------------------------------------------------------------------------------

// Takes over `owned` (NULL if the bytes are borrowed), also on failure.
static int open_common(const char *name, char *owned, const char *bytes, size_t size,
                       const struct gr_csv_column *columns, size_t count, enum gr_csv_flags flags,
                       struct gr_csv **ret_csv, struct gr_err *err)
{
    assert(columns != NULL && count > 0);
    assert(ret_csv != NULL);
    struct gr_csv *csv = calloc(1, sizeof *csv);
    char *copy = strdup(name);
    if (csv == NULL || copy == NULL) {
        free(csv);
        free(copy);
        free(owned);
        return gr_fail(err, -ENOMEM, "%s: not enough memory", name);
    }
    *csv = (struct gr_csv){
        .name = copy,
        .owned = owned,
        .bytes = bytes,
        .size = size,
        .columns = columns,
        .column_count = count,
        .record_line = 1,
        .next_line = 1,
    };
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        csv->bytes += 3;
        csv->size -= 3;
    }
    int code = check_characters(csv, err);
    if (code == 0) {
        code = read_header(csv, flags, err);
    }
    if (code < 0) {
        gr_csv_close(csv);
        return code;
    }
    *ret_csv = csv;
    return 0;
}

int gr_csv_open(const char *path, const struct gr_csv_column *columns, size_t count,
                enum gr_csv_flags flags, struct gr_csv **ret_csv, struct gr_err *err)
{
    assert(path != NULL);
    char *bytes = NULL;
    size_t size = 0;
    int code = gr_file_read(path, GR_CSV_SIZE_MAX, &bytes, &size, err);
    if (code < 0) {
        return code;
    }
    return open_common(path, bytes, bytes, size, columns, count, flags, ret_csv, err);
}

int gr_csv_open_bytes(const char *name, const char *bytes, size_t size,
                      const struct gr_csv_column *columns, size_t count, enum gr_csv_flags flags,
                      struct gr_csv **ret_csv, struct gr_err *err)
{
    assert(name != NULL);
    if (size > GR_CSV_SIZE_MAX) {
        return gr_fail(err, -EFBIG, "%s: is larger than %zu MiB, the limit for a CSV file", name,
                       GR_CSV_SIZE_MAX >> 20);
    }
    return open_common(name, NULL, size == 0 ? "" : bytes, size, columns, count, flags, ret_csv,
                       err);
}

void gr_csv_close(struct gr_csv *csv)
{
    if (csv == NULL) {
        return;
    }
    free(csv->name);
    free(csv->owned);
    free(csv->map);
    free(csv->fields);
    free(csv->scratch);
    free(csv);
}

// ---- asking -------------------------------------------------------------------------------------

size_t gr_csv_rows_bound(const struct gr_csv *csv)
{
    return count_line_ends(csv->bytes, csv->size) + 1;
}

void gr_csv_position(const struct gr_csv *csv, size_t *ret_done, size_t *ret_total)
{
    if (ret_done != NULL) {
        *ret_done = csv->next;
    }
    if (ret_total != NULL) {
        *ret_total = csv->size;
    }
}

size_t gr_csv_line(const struct gr_csv *csv)
{
    return csv->record_line;
}

bool gr_csv_has(const struct gr_csv *csv, size_t column)
{
    assert(column < csv->column_count);
    return csv->map[column] != NO_FIELD;
}

struct gr_slice gr_csv_get(const struct gr_csv *csv, size_t column)
{
    assert(column < csv->column_count);
    if (csv->map[column] == NO_FIELD) {
        return (struct gr_slice){"", 0};
    }
    const struct field *field = &csv->fields[csv->map[column]];
    return (struct gr_slice){field->text, field->size};
}

bool gr_csv_is_blank(const struct gr_csv *csv, size_t column)
{
    return gr_csv_get(csv, column).size == 0;
}

static const char *found(struct gr_slice text, char *buffer)
{
    return text.size == 0 ? "a blank field" : gr_words_quote(text, buffer);
}

int gr_csv_get_decimal(const struct gr_csv *csv, size_t column, unsigned digits, int64_t low,
                       int64_t high, int64_t *ret_value, struct gr_err *err)
{
    struct gr_slice text = gr_csv_get(csv, column);
    int code = gr_number_read_decimal(text, digits, low, high, ret_value);
    if (code == 0) {
        return 0;
    }
    char quote[GR_WORDS_QUOTE_SIZE];
    char a[GR_NUMBER_TEXT_SIZE];
    char b[GR_NUMBER_TEXT_SIZE];
    char places[64] = "";
    if (digits > 0) {
        snprintf(places, sizeof places, " with at most %u digits after the point", digits);
    }
    return gr_csv_fail(csv, column, err, "found %s, expected a %s from %s to %s%s",
                       found(text, quote), digits == 0 ? "whole number" : "number",
                       gr_number_format(low, digits, a), gr_number_format(high, digits, b), places);
}

int gr_csv_get_int(const struct gr_csv *csv, size_t column, int64_t low, int64_t high,
                   int64_t *ret_value, struct gr_err *err)
{
    struct gr_slice text = gr_csv_get(csv, column);
    if (gr_number_read_int(text, low, high, ret_value) == 0) {
        return 0;
    }
    char quote[GR_WORDS_QUOTE_SIZE];
    return gr_csv_fail(csv, column, err,
                       "found %s, expected a whole number from %" PRId64 " to %" PRId64,
                       found(text, quote), low, high);
}

int gr_csv_get_word(const struct gr_csv *csv, size_t column, const char *const *words,
                    size_t *ret_index, struct gr_err *err)
{
    struct gr_slice text = gr_csv_get(csv, column);
    for (size_t i = 0; words[i] != NULL; i++) {
        if (gr_slice_is(text, words[i])) {
            *ret_index = i;
            return 0;
        }
    }
    char quote[GR_WORDS_QUOTE_SIZE];
    char list[512];
    return gr_csv_fail(csv, column, err, "found %s, expected %s", found(text, quote),
                       gr_words_list(words, list, sizeof list));
}

int gr_csv_get_text(const struct gr_csv *csv, size_t column, char *buffer, size_t buffer_size,
                    struct gr_err *err)
{
    assert(buffer_size > 1);
    struct gr_slice text = gr_csv_get(csv, column);
    if (text.size == 0) {
        return gr_csv_fail(csv, column, err, "found a blank field, expected a text");
    }
    if (text.size >= buffer_size) {
        return gr_csv_fail(csv, column, err, "found a text of %zu bytes, expected at most %zu",
                           text.size, buffer_size - 1);
    }
    memcpy(buffer, text.text, text.size);
    buffer[text.size] = '\0';
    return 0;
}
