// A strict reader of CSV files that come from outside (RFC 4180, UTF-8, first line names columns).
//
// What it takes: fields separated by commas; lines ended by LF or CR LF; fields in double quotes
// may hold commas, line ends and doubled quotes; a UTF-8 byte order mark at the start is skipped.
// The last line may lack its line end if it is complete, which means that its quotes are closed and
// it has as many fields as the header; a shorter last line without a line end is "cut off".
// Blank lines are lines with one (blank) field, so they are refused unless there is one column;
// only at the end of the file, where recorders often leave one, they are skipped.
//
// What it refuses: files above GR_CSV_SIZE_MAX, invalid UTF-8, NUL and other control characters
// (tab excepted; line ends inside quotes excepted), a quote inside an unquoted field, text after a
// closing quote, a quote that is never closed, CR without LF, a wrong number of fields, columns
// named twice, without a name, unknown or missing.
//
// Every error reads `FILE:LINE:COLUMN: what was found, what was expected`; LINE counts from 1 by
// line ends, COLUMN counts characters from 1. Such errors have the code -EINVAL; others (-ENOENT,
// -EFBIG, -ENOMEM, ...) mean that the file could not be read.
//
// Nothing is allocated per line or field: fields are slices of the file in memory.
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

// Largest file, in bytes. The file is held in memory while the reader is open.
#define GR_CSV_SIZE_MAX ((size_t)1 << 30)

// Most columns in a file.
#define GR_CSV_COLUMNS_MAX 4096

// One column that the caller understands.
struct gr_csv_column {
    const char *name; // exactly as in the file's first line
    bool required;    // false: may be missing, and then every field of it is blank
};

// What gr_csv_open may be asked to put up with.
enum gr_csv_flags {
    GR_CSV_STRICT = 0,
    GR_CSV_OTHER_COLUMNS = 1, // columns not in the caller's list are accepted and skipped
};

// A reader: one file, one place in it. Heap; released by gr_csv_close.
struct gr_csv;

// Reads the whole file `path` (a pipe too), checks its characters and its first line. `columns`
// (`count` of them; an index into it names a column in all calls below) is borrowed until close.
// Blocks while reading. On success the caller owns *ret_csv; on failure nothing is left behind.
int gr_csv_open(const char *path, const struct gr_csv_column *columns, size_t count,
                enum gr_csv_flags flags, struct gr_csv **ret_csv, struct gr_err *err);

// As gr_csv_open on bytes in memory, which are borrowed until close. `name` stands for the file in
// error texts and is copied.
int gr_csv_open_bytes(const char *name, const char *bytes, size_t size,
                      const struct gr_csv_column *columns, size_t count, enum gr_csv_flags flags,
                      struct gr_csv **ret_csv, struct gr_err *err);

// Releases the reader and all slices it gave out. NULL is allowed.
void gr_csv_close(struct gr_csv *csv);

// Moves to the next line. Returns 1 when there is one, 0 at the end, -EINVAL on bad input; after an
// error the reader may only be closed. Slices of the line before become invalid.
int gr_csv_next(struct gr_csv *csv, struct gr_err *err);

// An upper bound for the lines after the header, from the number of line ends: for allocating
// once. Looks at the whole file.
size_t gr_csv_rows_bound(const struct gr_csv *csv);

// Bytes read so far and in all, for progress. Either pointer may be NULL.
void gr_csv_position(const struct gr_csv *csv, size_t *ret_done, size_t *ret_total);

// The line number of the current line (its first, if quotes make it span several). At least 1.
size_t gr_csv_line(const struct gr_csv *csv);

// Whether the file has this column.
bool gr_csv_has(const struct gr_csv *csv, size_t column);

// The current line's field, unquoted; valid until the next gr_csv_next or close; size 0 if blank
// or if the file lacks the column.
struct gr_slice gr_csv_get(const struct gr_csv *csv, size_t column);

// Whether the field is empty. A field of blanks is not: it will fail as whatever is expected there.
bool gr_csv_is_blank(const struct gr_csv *csv, size_t column);

// A whole number from `low` to `high` (see gr_number_read_int). -EINVAL with a full text if the
// field is anything else, blank included; *ret_value is untouched then.
int gr_csv_get_int(const struct gr_csv *csv, size_t column, int64_t low, int64_t high,
                   int64_t *ret_value, struct gr_err *err);

// A decimal number scaled by 10^digits; `low` and `high` are scaled too (see
// gr_number_read_decimal). Errors as gr_csv_get_int; a number that would need rounding is refused.
int gr_csv_get_decimal(const struct gr_csv *csv, size_t column, unsigned digits, int64_t low,
                       int64_t high, int64_t *ret_value, struct gr_err *err);

// One of `words` (NULL-terminated, static): stores its index. Errors as gr_csv_get_int; the text
// lists the words.
int gr_csv_get_word(const struct gr_csv *csv, size_t column, const char *const *words,
                    size_t *ret_index, struct gr_err *err);

// Copies the field with a NUL to `buffer` of `buffer_size` bytes. -EINVAL if it is blank or longer
// than buffer_size - 1; the buffer is untouched then.
int gr_csv_get_text(const struct gr_csv *csv, size_t column, char *buffer, size_t buffer_size,
                    struct gr_err *err);

// An error of the caller's own about the field: `FILE:LINE:COLUMN: column 'NAME': ` and the
// formatted text. Returns -EINVAL.
int gr_csv_fail(const struct gr_csv *csv, size_t column, struct gr_err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

// As gr_csv_fail about the whole line: `FILE:LINE:1: ` and the text. Returns -EINVAL.
int gr_csv_fail_line(const struct gr_csv *csv, struct gr_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
