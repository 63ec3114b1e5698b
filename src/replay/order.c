// The reader of recorded orders: see order.h.
#include "replay/order.h"

#include "base/file.h"
#include "base/number.h"
#include "base/words.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Largest file, in bytes; it is held in memory while it is read.
#define SIZE_MAX_BYTES ((size_t)1 << 30)

// One reading of a file.
struct reader {
    const char *name;
    const char *bytes;
    size_t size;
    size_t line_at;     // offset of the current line
    size_t line_end;    // offset of its end, without LF or CR LF
    size_t line_number; // from 1
};

static int fail_at(const struct reader *reader, size_t at, struct gr_err *err, const char *text)
{
    return gr_fail(err, -EINVAL, "%s:%zu:%zu: %s", reader->name, reader->line_number,
                   at - reader->line_at + 1, text);
}

// Moves to the line that begins at `at`. False at the end of the file.
static bool next_line(struct reader *reader, size_t at)
{
    if (at >= reader->size) {
        return false;
    }
    const char *end = memchr(reader->bytes + at, '\n', reader->size - at);
    reader->line_at = at;
    reader->line_end = end == NULL ? reader->size : (size_t)(end - reader->bytes);
    if (end != NULL && reader->line_end > at && reader->bytes[reader->line_end - 1] == '\r') {
        reader->line_end--;
    }
    reader->line_number++;
    return true;
}

// The offset of the line after the current one.
static size_t after_line(const struct reader *reader)
{
    const char *from = reader->bytes + reader->line_end;
    const char *end = memchr(from, '\n', reader->size - reader->line_end);
    return end == NULL ? reader->size : (size_t)(end - reader->bytes) + 1;
}

// Reads the number at *at, from 0 to `high`, and moves *at behind it and one blank.
static int read_number(const struct reader *reader, size_t *at, int64_t high, int64_t *ret_value,
                       struct gr_err *err)
{
    const char *from = reader->bytes + *at;
    size_t left = reader->line_end - *at;
    const char *blank = left > 0 ? memchr(from, ' ', left) : NULL;
    struct gr_slice text = {from, blank == NULL ? left : (size_t)(blank - from)};
    if (gr_number_read_int(text, 0, high, ret_value) < 0) {
        char quote[GR_WORDS_QUOTE_SIZE], what[320];
        snprintf(what, sizeof what, "found %s, expected a whole number from 0 to %" PRId64,
                 text.size == 0 ? "nothing" : gr_words_quote(text, quote), high);
        return fail_at(reader, *at, err, what);
    }
    *at += text.size;
    if (blank != NULL) {
        *at += 1;
        if (*at == reader->line_end) {
            return fail_at(reader, *at, err,
                           "found a blank at the end, expected a number after it");
        }
    }
    return 0;
}

// Reads the rest of the seed's line, from `at`.
static int read_numbers(const struct reader *reader, size_t at, uint32_t below, size_t most,
                        uint32_t **ret_numbers, size_t *ret_count, struct gr_err *err)
{
    if (at == reader->line_end) {
        return fail_at(reader, at, err, "found only a seed, expected numbers after it");
    }
    size_t room = (reader->line_end - at) / 2 + 1; // a digit and a blank each
    room = room < most ? room : most;
    uint32_t *numbers = calloc(room > 0 ? room : 1, sizeof *numbers);
    if (numbers == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for %s", reader->name);
    }
    size_t count = 0;
    while (at < reader->line_end && count < most) {
        int64_t value = 0;
        int code = read_number(reader, &at, (int64_t)below - 1, &value, err);
        if (code < 0) {
            free(numbers);
            return code;
        }
        assert(count < room);
        numbers[count++] = (uint32_t)value;
    }
    *ret_numbers = numbers;
    *ret_count = count;
    return 0;
}

int gr_order_read_bytes(const char *name, const char *bytes, size_t size, uint64_t seed,
                        uint32_t below, size_t most, uint32_t **ret_numbers, size_t *ret_count,
                        struct gr_err *err)
{
    assert(below > 0 && most > 0);
    struct reader reader = {.name = name, .bytes = bytes, .size = size};
    struct reader found = {0};
    size_t found_at = 0;
    for (size_t at = 0; next_line(&reader, at); at = after_line(&reader)) {
        int64_t value = 0;
        size_t here = reader.line_at;
        int code = read_number(&reader, &here, INT64_MAX, &value, err);
        if (code < 0) {
            return code;
        }
        if ((uint64_t)value == seed && found.name != NULL) {
            return fail_at(&reader, reader.line_at, err,
                           "found a second line of this seed, expected one");
        }
        if ((uint64_t)value == seed) {
            found = reader;
            found_at = here;
        }
    }
    if (found.name == NULL) {
        return gr_fail(err, -EINVAL,
                       "%s:%zu:1: found no line of seed %" PRIu64
                       ", expected one that begins with it",
                       name, reader.line_number + (reader.line_number == 0), seed);
    }
    return read_numbers(&found, found_at, below, most, ret_numbers, ret_count, err);
}

int gr_order_read(const char *path, uint64_t seed, uint32_t below, size_t most,
                  uint32_t **ret_numbers, size_t *ret_count, struct gr_err *err)
{
    char *bytes = NULL;
    size_t size = 0;
    int code = gr_file_read(path, SIZE_MAX_BYTES, &bytes, &size, err);
    if (code == 0) {
        code =
            gr_order_read_bytes(path, bytes, size, seed, below, most, ret_numbers, ret_count, err);
        free(bytes);
    }
    return code;
}

int gr_ranks_read(const char *path, uint64_t seed, size_t count, uint32_t **ret_ranks,
                  struct gr_err *err)
{
    assert(count > 0);
    uint32_t *ranks = NULL;
    size_t found = 0;
    int code = gr_order_read(path, seed, (uint32_t)count, count + 1, &ranks, &found, err);
    if (code < 0) {
        return code;
    }
    unsigned char *seen = calloc(count, 1);
    if (seen == NULL) {
        free(ranks);
        return gr_fail(err, -ENOMEM, "no memory for %s", path);
    }
    size_t distinct = 0;
    for (size_t i = 0; i < found; i++) {
        distinct += !seen[ranks[i]];
        seen[ranks[i]] = 1;
    }
    free(seen);
    if (found != count || distinct != count) {
        free(ranks);
        return gr_fail(err, -EINVAL,
                       "%s: seed %" PRIu64 ": found %zu%s ranks, %zu of them different, expected "
                       "each of 0 to %zu once (one for each node)",
                       path, seed, found > count ? count : found, found > count ? "+" : "",
                       distinct, count - 1);
    }
    *ret_ranks = ranks;
    return 0;
}
