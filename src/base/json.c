// Helpers over jansson: see json.h.
#include "base/json.h"

#include "base/number.h"
#include "base/text.h"
#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int gr_json_set(json_t *object, const char *key, json_t *value)
{
    if (object == NULL) {
        json_decref(value);
        return -ENOMEM;
    }
    assert(json_is_object(object));
    return json_object_set_new(object, key, value) == 0 ? 0 : -ENOMEM;
}

int gr_json_append(json_t *array, json_t *value)
{
    if (array == NULL) {
        json_decref(value);
        return -ENOMEM;
    }
    assert(json_is_array(array));
    return json_array_append_new(array, value) == 0 ? 0 : -ENOMEM;
}

json_t *gr_json_text(struct gr_slice text)
{
    if (gr_utf8_check(text.text, text.size) == text.size) {
        return json_stringn_nocheck(text.size == 0 ? "" : text.text, text.size);
    }
    char *copy = malloc(text.size);
    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, text.text, text.size);
    for (size_t at = 0; (at += gr_utf8_check(copy + at, text.size - at)) < text.size; at++) {
        copy[at] = '?';
    }
    json_t *value = json_stringn_nocheck(copy, text.size);
    free(copy);
    return value;
}

int gr_json_set_text(json_t *object, const char *key, struct gr_slice text)
{
    return gr_json_set(object, key, gr_json_text(text));
}

int gr_json_set_int(json_t *object, const char *key, int64_t value)
{
    return gr_json_set(object, key, json_integer(value));
}

int gr_json_set_decimal(json_t *object, const char *key, int64_t value, unsigned digits)
{
    assert(digits <= GR_NUMBER_DIGITS_MAX);
    int64_t unit = 1;
    for (unsigned i = 0; i < digits; i++) {
        unit *= 10;
    }
    if (value % unit == 0) {
        return gr_json_set_int(object, key, value / unit);
    }
    if (value <= -1000000000000000 || value >= 1000000000000000) {
        int64_t up = llabs(value % unit) >= unit - llabs(value % unit) ? 1 : 0;
        return gr_json_set_int(object, key, value / unit + (value < 0 ? -up : up));
    }
    // The nearest double to a decimal of at most 15 digits is written back as that decimal.
    return gr_json_set(object, key, json_real((double)value / (double)unit));
}

int gr_json_set_bool(json_t *object, const char *key, bool value)
{
    return gr_json_set(object, key, json_boolean(value));
}

int gr_json_set_null(json_t *object, const char *key)
{
    return gr_json_set(object, key, json_null());
}

// A document on its way to a file.
struct written {
    FILE *file;
    bool has_lead; // 0xc2 came, and is not written yet
};

// Writes a piece. JSON escapes what is below a blank; terminals also take DEL and U+0080 to U+009F
// for commands, and who looks at other people's texts must not run those.
static int piece_write(const char *text, size_t size, void *context)
{
    struct written *written = context;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool is_c1 = written->has_lead && byte >= 0x80 && byte < 0xa0;
        if (is_c1 || byte == 0x7f) {
            fprintf(written->file, "\\u%04x", byte);
        } else {
            if (written->has_lead) {
                fputc(0xc2, written->file);
            }
            if (byte != 0xc2) {
                fputc(byte, written->file);
            }
        }
        written->has_lead = byte == 0xc2;
    }
    return 0;
}

int gr_json_write(const json_t *root, FILE *file, const char *name, struct gr_err *err)
{
    assert(root != NULL);
    errno = 0;
    struct written written = {.file = file};
    if (json_dump_callback(root, piece_write, &written,
                           JSON_INDENT(2) | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY) != 0 &&
        ferror(file) == 0) {
        return gr_fail(err, -ENOMEM, "write %s: not enough memory", name);
    }
    fputc('\n', file);
    return gr_text_finish(file, name, err);
}
