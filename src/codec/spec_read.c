// Reading a spec: see spec_read.h. Here: which fields there are, groups, and what is looked at once
// all are read. Single values are read in spec_read_field.c.
#include "codec/spec_read.h"

#include "base/words.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

// ---- errors -------------------------------------------------------------------------------------

// The path of the field that is being read, as "requeue.on[2]".
static void write_path(const struct gr_spec_reader *reader, char *path)
{
    char item[64] = "";
    if (reader->item.text != NULL) {
        snprintf(item, sizeof item, ".%.*s", (int)(reader->item.size > 60 ? 60 : reader->item.size),
                 reader->item.text);
    } else if (reader->index >= 0) {
        snprintf(item, sizeof item, "[%d]", (int)reader->index);
    }
    snprintf(path, GR_SPEC_FIELD_SIZE, "%s%s%s%s", reader->outer->name,
             reader->inner == NULL ? "" : ".", reader->inner == NULL ? "" : reader->inner->name,
             item);
}

int gr_spec_read_fail(struct gr_spec_reader *reader, const struct gr_value *value, const char *fmt,
                      ...)
{
    char what[GR_ERR_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    write_path(reader, reader->input->field);
    return gr_document_fail(reader->document, value, false, reader->err, "%s: %s",
                            reader->input->field, what);
}

int gr_spec_read_unlike(struct gr_spec_reader *reader, const struct gr_value *value,
                        const char *what)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    const char *found = "nothing";
    switch (value->type) {
    case GR_VALUE_NULL:
        break;
    case GR_VALUE_LIST:
        found = "a list";
        break;
    case GR_VALUE_MAP:
        found = "a mapping";
        break;
    case GR_VALUE_WORD:
    case GR_VALUE_TEXT:
        if (value->text.size > 0) {
            found = gr_words_quote(value->text, quote);
        }
        break;
    case GR_VALUE_BOOL:
    case GR_VALUE_NUMBER:
        snprintf(quote, sizeof quote, "%.*s", (int)(value->text.size > 40 ? 40 : value->text.size),
                 value->text.text);
        found = quote;
        break;
    }
    return gr_spec_read_fail(reader, value, "found %s, expected %s", found, what);
}

int gr_spec_read_memory(struct gr_spec_reader *reader)
{
    return gr_fail(reader->err, -ENOMEM, "not enough memory for a job's spec");
}

// A key that no field has.
static int fail_unknown(struct gr_spec_reader *reader, const struct gr_spec_field *fields,
                        const struct gr_value *value)
{
    const char *names[40] = {NULL};
    char quote[GR_WORDS_QUOTE_SIZE];
    size_t count = 0;
    for (; fields[count].name != NULL; count++) {
        assert(count < sizeof names / sizeof *names - 1);
        names[count] = fields[count].name;
    }
    gr_words_quote(value->key, quote);
    const char *near = gr_words_nearest(value->key, names);
    const char *other = fields == gr_spec_fields ? gr_spec_other_word(value->key) : NULL;
    char list[512];
    char path[GR_SPEC_FIELD_SIZE] = "";
    if (fields != gr_spec_fields) {
        snprintf(path, sizeof path, "%s.", reader->outer->name);
    }
    snprintf(reader->input->field, GR_SPEC_FIELD_SIZE, "%s%.*s", path,
             (int)(value->key.size > 60 ? 60 : value->key.size), value->key.text);
    if (other != NULL) {
        return gr_document_fail(reader->document, value, true, reader->err,
                                "%s is not a key here; did you mean %s?", quote, other);
    }
    if (near != NULL) {
        return gr_document_fail(reader->document, value, true, reader->err,
                                "%s is not a key here; did you mean '%s'?", quote, near);
    }
    return gr_document_fail(reader->document, value, true, reader->err,
                            "%s is not a key here; known are %s", quote,
                            gr_words_list(names, list, sizeof list));
}

static int fail_twice(struct gr_spec_reader *reader, const struct gr_value *value)
{
    write_path(reader, reader->input->field);
    return gr_document_fail(reader->document, value, true, reader->err,
                            "%s: found the key again, expected it once", reader->input->field);
}

// ---- fields and groups --------------------------------------------------------------------------

// The index of the field with this name, or -1.
static int find_field(const struct gr_spec_field *fields, struct gr_slice name)
{
    for (int i = 0; fields[i].name != NULL; i++) {
        if (fields[i].name_size == name.size && memcmp(fields[i].name, name.text, name.size) == 0) {
            return i;
        }
    }
    return -1;
}

static bool has_inner(const struct gr_spec_reader *reader, const char *name)
{
    int index = find_field(reader->outer->fields, gr_slice_of(name));
    assert(index >= 0);
    return (reader->seen_inner & 1u << index) != 0;
}

static bool has_outer(const struct gr_spec_reader *reader, const char *name)
{
    int index = find_field(gr_spec_fields, gr_slice_of(name));
    assert(index >= 0);
    return (reader->seen & UINT64_C(1) << index) != 0;
}

// What follows from the fields of a group together.
static int finish_group(struct gr_spec_reader *reader, const struct gr_value *value)
{
    struct gr_spec *spec = &reader->spec;
    const char *name = reader->outer->name;
    if (strcmp(name, "requeue") == 0 && spec->attempts > 1 && !has_inner(reader, "on")) {
        spec->requeue_on |= GR_REQUEUE_FAILED | GR_REQUEUE_NODE | GR_REQUEUE_RECLAIM;
    }
    if (strcmp(name, "notice") == 0) {
        if (!has_inner(reader, "before")) {
            return gr_spec_read_fail(reader, value, "lacks 'before', such as before: 5m");
        }
        if (!has_inner(reader, "signal")) {
            spec->notice_signal = 10;
        }
    }
    if (reader->outer->type == GR_SPEC_ARRAY) {
        if (!has_inner(reader, "last")) {
            return gr_spec_read_fail(reader, value, "lacks 'last', the last index");
        }
        if (reader->array_last < spec->array_first) {
            return gr_spec_read_fail(reader, value, "has a last index before its first");
        }
        spec->array_count =
            (uint32_t)(reader->array_last - spec->array_first) / spec->array_step + 1;
    }
    return 0;
}

static int read_group(struct gr_spec_reader *reader, const struct gr_value *value)
{
    const struct gr_spec_field *fields = reader->outer->fields;
    reader->seen_inner = 0;
    if (value->type != GR_VALUE_MAP) {
        char what[256];
        const char *names[8] = {NULL};
        for (size_t i = 0; fields[i].name != NULL; i++) {
            names[i] = fields[i].name;
        }
        gr_words_list(names, what, sizeof what);
        char expected[300];
        snprintf(expected, sizeof expected, "a mapping with %s", what);
        return gr_spec_read_unlike(reader, value, expected);
    }
    for (const struct gr_value *entry = value->first; entry != NULL; entry = entry->next) {
        int index = find_field(fields, entry->key);
        if (index < 0) {
            return fail_unknown(reader, fields, entry);
        }
        reader->inner = &fields[index];
        if ((reader->seen_inner & 1u << index) != 0) {
            return fail_twice(reader, entry);
        }
        if (entry->type == GR_VALUE_NULL) {
            continue;
        }
        reader->seen_inner |= 1u << index;
        int code = gr_spec_read_field(reader, reader->inner, entry);
        if (code < 0) {
            return code;
        }
    }
    reader->inner = NULL;
    return finish_group(reader, value);
}

static int read_entry(struct gr_spec_reader *reader, const struct gr_value *entry)
{
    int index = find_field(gr_spec_fields, entry->key);
    if (index < 0) {
        return fail_unknown(reader, gr_spec_fields, entry);
    }
    reader->outer = &gr_spec_fields[index];
    if ((reader->seen & UINT64_C(1) << index) != 0) {
        return fail_twice(reader, entry);
    }
    if (entry->type == GR_VALUE_NULL) {
        return 0;
    }
    reader->seen |= UINT64_C(1) << index;
    if (reader->outer->type == GR_SPEC_GROUP ||
        (reader->outer->type == GR_SPEC_ARRAY && entry->type == GR_VALUE_MAP)) {
        return read_group(reader, entry);
    }
    return gr_spec_read_field(reader, reader->outer, entry);
}

// ---- the whole ----------------------------------------------------------------------------------

static const struct gr_value *find_entry(const struct gr_value *root, const char *name)
{
    return gr_value_find(root, gr_slice_of(name));
}

// What several fields say together.
static int check_together(struct gr_spec_reader *reader, const struct gr_value *root)
{
    bool script = has_outer(reader, "script");
    if (script && has_outer(reader, "command")) {
        reader->outer = &gr_spec_fields[find_field(gr_spec_fields, gr_slice_of("script"))];
        return gr_spec_read_fail(reader, find_entry(root, "script"),
                                 "found beside 'command', expected only one of them");
    }
    if (has_outer(reader, "milli")) {
        if (reader->is_fraction) {
            reader->outer = &gr_spec_fields[find_field(gr_spec_fields, gr_slice_of("milli"))];
            return gr_spec_read_fail(reader, find_entry(root, "milli"),
                                     "found beside a fraction of devices, expected only one of "
                                     "them");
        }
        if (!has_outer(reader, "devices")) {
            reader->spec.devices = 1;
        }
    }
    return 0;
}

// The value that a field's path ("stop.grace") is about, or the root.
static const struct gr_value *find_path(const struct gr_value *root, const char *path)
{
    const char *point = strchr(path, '.');
    struct gr_slice outer = {path, point == NULL ? strlen(path) : (size_t)(point - path)};
    const struct gr_value *found = gr_value_find(root, outer);
    if (found == NULL && strcmp(path, "command") == 0) {
        found = find_entry(root, "script");
    }
    if (found == NULL) {
        return root;
    }
    const struct gr_value *inner = point == NULL ? NULL : find_entry(found, point + 1);
    return inner != NULL ? inner : found;
}

// Asks gr_spec_wrong, to which references to siblings are shown as jobs with numbers.
static int check_spec(struct gr_spec_reader *reader, const struct gr_value *root)
{
    struct gr_spec_after after[GR_SPEC_AFTER_MAX];
    struct gr_spec spec = reader->spec;
    for (uint32_t i = 0; i < spec.after_count && i < GR_SPEC_AFTER_MAX; i++) {
        after[i] = spec.after[i];
        if (after[i].job >> 63 != 0) {
            after[i].job ^= UINT64_C(3) << 62;
        }
    }
    spec.after = after;
    const char *why;
    const char *field = gr_spec_wrong(&spec, &why);
    if (field == NULL) {
        return 0;
    }
    snprintf(reader->input->field, GR_SPEC_FIELD_SIZE, "%s", field);
    return gr_document_fail(reader->document, find_path(root, field), false, reader->err, "%s: %s",
                            field, why);
}

int gr_spec_read(struct gr_spec_reader *reader, const struct gr_value *root,
                 struct gr_spec *ret_spec)
{
    assert(reader->input != NULL && reader->document != NULL && reader->err != NULL);
    reader->spec = gr_spec_default();
    reader->input->field[0] = '\0';
    if (root->type != GR_VALUE_MAP) {
        return gr_document_fail(reader->document, root, false, reader->err,
                                "expected a mapping with the fields of a job, such as command");
    }
    for (const struct gr_value *entry = root->first; entry != NULL; entry = entry->next) {
        reader->inner = NULL;
        reader->item.text = NULL;
        reader->index = -1;
        int code = read_entry(reader, entry);
        if (code < 0) {
            return code;
        }
    }
    int code = check_together(reader, root);
    code = code < 0 ? code : check_spec(reader, root);
    if (code == 0) {
        *ret_spec = reader->spec;
    }
    return code;
}
