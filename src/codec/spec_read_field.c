// Single values of a spec: see spec_read.h. One function a type of field; each says what it
// expected when it finds something else. Texts are in spec_read_text.c, arrays and other jobs in
// spec_read_jobs.c.
#include "base/number.h"
#include "base/quantity.h"
#include "base/words.h"
#include "codec/spec_read.h"
#include "model/limits.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

// Where the field that is being read lies.
static void *place_of(struct gr_spec_reader *reader, const struct gr_spec_field *field)
{
    return (char *)&reader->spec + field->at;
}

static bool is_number(const struct gr_value *value)
{
    return value->type == GR_VALUE_NUMBER || value->type == GR_VALUE_WORD;
}

// ---- numbers ------------------------------------------------------------------------------------

static int read_whole(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                      const struct gr_value *value, int64_t *ret_value)
{
    char what[80];
    if (is_number(value) &&
        gr_number_read_int(value->text, field->low, field->high, ret_value) == 0) {
        return 0;
    }
    snprintf(what, sizeof what, "a whole number from %" PRId64 " to %" PRId64, field->low,
             field->high);
    return gr_spec_read_unlike(reader, value, what);
}

static int read_u32(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                    const struct gr_value *value)
{
    int64_t number;
    int code = read_whole(reader, field, value, &number);
    if (code == 0) {
        *(uint32_t *)place_of(reader, field) = (uint32_t)number;
    }
    return code;
}

// A number with three decimal places, in thousandths. Programs that keep such a number in binary
// may write 0.10000000000000001 for it: what is only that noise, behind the ninth place, is taken
// away.
static int read_places(struct gr_slice text, const struct gr_spec_field *field, int64_t *ret_value)
{
    int code = gr_number_read_decimal(text, 3, field->low, field->high, ret_value);
    const char *point = text.size == 0 ? NULL : memchr(text.text, '.', text.size);
    size_t places = point == NULL ? 0 : (size_t)(text.text + text.size - point - 1);
    if (code != -EDOM || places < 10) {
        return code;
    }
    for (size_t i = 1; i <= places; i++) {
        if (point[i] < '0' || point[i] > '9') {
            return -EINVAL;
        }
    }
    int64_t value;
    text.size -= places - 9;
    if (gr_number_read_decimal(text, 9, field->low * 1000000, field->high * 1000000, &value) < 0) {
        return -ERANGE;
    }
    int64_t rounded = (value + 500000) / 1000000;
    int64_t off = value - rounded * 1000000;
    if (off < -1 || off > 1 || rounded > field->high) {
        return -EDOM;
    }
    *ret_value = rounded;
    return 0;
}

static int read_thousand(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                         const struct gr_value *value)
{
    int64_t number;
    if (!is_number(value) || read_places(value->text, field, &number) < 0) {
        return gr_spec_read_unlike(reader, value,
                                   "a number from 0 to 100000 with at most three decimal places "
                                   "(4, 0.5)");
    }
    *(uint32_t *)place_of(reader, field) = (uint32_t)number;
    return 0;
}

static int read_devices(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                        const struct gr_value *value)
{
    static const char expected[] =
        "a whole number from 0 to 16 for each task, or a fraction from 0.001 to 0.999 of one";
    int64_t number;
    if (!is_number(value) || read_places(value->text, field, &number) < 0 ||
        (number > GR_DEVICE_MILLI && number % GR_DEVICE_MILLI != 0)) {
        return gr_spec_read_unlike(reader, value, expected);
    }
    reader->is_fraction = number % GR_DEVICE_MILLI != 0;
    reader->spec.devices = reader->is_fraction ? 1 : (uint32_t)(number / GR_DEVICE_MILLI);
    if (reader->is_fraction) {
        reader->spec.milli = (uint32_t)number;
    }
    return 0;
}

static int read_memory(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                       const struct gr_value *value)
{
    int64_t bytes;
    if (gr_slice_is(value->text, "0") && gr_value_is_scalar(value)) {
        *(uint32_t *)place_of(reader, field) = 0;
        return 0;
    }
    if (!gr_value_is_text(value) || gr_size_read(value->text, &bytes) < 0 ||
        bytes > field->high << 20) {
        return gr_spec_read_unlike(reader, value,
                                   "a size with its unit (80GiB, 512MiB), at most 1000000000MiB");
    }
    // Rounded up: a task gets no less than it asks for.
    *(uint32_t *)place_of(reader, field) = (uint32_t)((bytes + (1 << 20) - 1) >> 20);
    return 0;
}

static int read_time(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                     const struct gr_value *value)
{
    int64_t ms;
    if (!gr_value_is_scalar(value) || gr_duration_read(value->text, &ms) < 0 || ms < field->low ||
        ms > field->high) {
        return gr_spec_read_unlike(reader, value,
                                   "a duration with its units (90s, 1h30m, 2d) or as HH:MM:SS, at "
                                   "most 3650d");
    }
    *(int64_t *)place_of(reader, field) = ms;
    return 0;
}

static int read_signal(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                       const struct gr_value *value)
{
    if (!gr_value_is_scalar(value) || gr_signal_read(value->text, place_of(reader, field)) < 0) {
        return gr_spec_read_unlike(reader, value, "a signal (TERM, INT, USR1)");
    }
    return 0;
}

static int read_octal(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                      const struct gr_value *value)
{
    int64_t number = 0;
    bool good = gr_value_is_text(value) && value->text.size >= 1 && value->text.size <= 6;
    for (size_t i = 0; good && i < value->text.size; i++) {
        char c = value->text.text[i];
        good = c >= '0' && c <= '7';
        number = number * 8 + (c - '0');
    }
    if (!good || number > field->high) {
        return gr_spec_read_unlike(reader, value, "octal digits in quotes, \"000\" to \"777\"");
    }
    *(uint32_t *)place_of(reader, field) = (uint32_t)number;
    return 0;
}

// ---- words --------------------------------------------------------------------------------------

static int word_index(struct gr_slice text, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (gr_slice_is(text, words[i])) {
            return i;
        }
    }
    return -1;
}

int gr_spec_read_word(struct gr_spec_reader *reader, const struct gr_value *value,
                      const char *const *words, uint32_t *ret_index)
{
    int index = gr_value_is_text(value) ? word_index(value->text, words) : -1;
    if (index < 0) {
        char list[128];
        return gr_spec_read_unlike(reader, value, gr_words_list(words, list, sizeof list));
    }
    *ret_index = (uint32_t)index;
    return 0;
}

// Sets the bits of a field's words; other bits stay.
static void set_bits(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                     uint32_t bits)
{
    uint32_t *place = place_of(reader, field);
    uint32_t count = 0;
    while (field->words[count] != NULL) {
        count++;
    }
    *place = (*place & ~((1u << count) - 1)) | bits;
}

static int read_bits(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                     const struct gr_value *value)
{
    uint32_t bits = 0;
    uint32_t index;
    if (gr_value_is_text(value) && value->text.size > 0) {
        int code = gr_spec_read_word(reader, value, field->words, &index);
        if (code == 0) {
            set_bits(reader, field, 1u << index);
        }
        return code;
    }
    if (value->type != GR_VALUE_LIST) {
        char list[128];
        char what[160];
        snprintf(what, sizeof what, "a list of %s", gr_words_list(field->words, list, sizeof list));
        return gr_spec_read_unlike(reader, value, what);
    }
    reader->index = 0;
    for (const struct gr_value *item = value->first; item != NULL; item = item->next) {
        int code = gr_spec_read_word(reader, item, field->words, &index);
        if (code < 0) {
            return code;
        }
        bits |= 1u << index;
        reader->index++;
    }
    reader->index = -1;
    set_bits(reader, field, bits);
    return 0;
}

static int read_flag(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                     const struct gr_value *value)
{
    bool is_true = gr_slice_is(value->text, "true");
    bool is_one = value->type == GR_VALUE_BOOL || value->type == GR_VALUE_WORD;
    if (!is_one || (!is_true && !gr_slice_is(value->text, "false"))) {
        return gr_spec_read_unlike(reader, value, "true or false");
    }
    uint32_t *bits = place_of(reader, field);
    *bits = is_true ? *bits | (uint32_t)field->high : *bits & ~(uint32_t)field->high;
    return 0;
}

// ---- all ----------------------------------------------------------------------------------------

int gr_spec_read_field(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                       const struct gr_value *value)
{
    switch (field->type) {
    case GR_SPEC_TEXT:
    case GR_SPEC_PATH:
    case GR_SPEC_DIRECTORY:
    case GR_SPEC_COMMAND:
    case GR_SPEC_SCRIPT:
    case GR_SPEC_MAP:
    case GR_SPEC_FILES:
    case GR_SPEC_KIND:
        return gr_spec_read_text(reader, field, value);
    case GR_SPEC_WHOLE:
        return read_u32(reader, field, value);
    case GR_SPEC_THOUSAND:
        return read_thousand(reader, field, value);
    case GR_SPEC_DEVICES:
        return read_devices(reader, field, value);
    case GR_SPEC_MEMORY:
        return read_memory(reader, field, value);
    case GR_SPEC_TIME:
        return read_time(reader, field, value);
    case GR_SPEC_SIGNAL:
        return read_signal(reader, field, value);
    case GR_SPEC_WORD:
        return gr_spec_read_word(reader, value, field->words, place_of(reader, field));
    case GR_SPEC_BITS:
        return read_bits(reader, field, value);
    case GR_SPEC_FLAG:
        return read_flag(reader, field, value);
    case GR_SPEC_OCTAL:
        return read_octal(reader, field, value);
    case GR_SPEC_AFTER:
        return gr_spec_read_after(reader, value);
    case GR_SPEC_ARRAY:
        return gr_spec_read_range(reader, value);
    case GR_SPEC_LAST:
        return read_whole(reader, field, value, &reader->array_last);
    case GR_SPEC_GROUP:
        break;
    }
    assert(false); // groups are read field by field
    return -EINVAL;
}
