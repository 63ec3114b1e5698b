// A job's spec from JSON and as JSON: see spec_json.h.
#include "codec/spec_json.h"

#include "base/json.h"
#include "base/quantity.h"
#include "codec/spec_fields.h"
#include "codec/spec_read.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// ---- reading ------------------------------------------------------------------------------------

int gr_spec_from_json_bytes(struct gr_spec_input *input, const char *bytes, size_t size,
                            struct gr_spec *ret_spec, struct gr_err *err)
{
    struct gr_err inner = {0};
    struct gr_document document;
    struct gr_spec_reader reader = {.input = input, .document = &document, .err = &inner};
    assert(input != NULL && input->arena != NULL && ret_spec != NULL);
    input->field[0] = '\0';
    int code =
        size > GR_SPEC_BYTES_MAX
            ? gr_fail(&inner, -EINVAL, "a job of more than 1 MiB, which is the limit")
            : gr_document_read_json(input->name, bytes, size, input->arena, &document, &inner);
    code = code < 0 ? code : gr_spec_read(&reader, document.root, ret_spec);
    return code < 0 ? gr_fail(err, code, "%s", inner.text) : 0;
}

int gr_spec_from_json(struct gr_spec_input *input, const json_t *object, struct gr_spec *ret_spec,
                      struct gr_err *err)
{
    struct gr_err inner = {0};
    struct gr_document document;
    struct gr_spec_reader reader = {.input = input, .document = &document, .err = &inner};
    assert(input != NULL && input->arena != NULL && ret_spec != NULL);
    input->field[0] = '\0';
    int code = gr_document_take_json(object, input->arena, &document, &inner);
    if (code == 0) {
        document.name = input->name;
        code = gr_spec_read(&reader, document.root, ret_spec);
    }
    return code < 0 ? gr_fail(err, code, "%s", inner.text) : 0;
}

// ---- writing ------------------------------------------------------------------------------------

// Where the field lies.
static const void *place_in(const struct gr_spec *spec, const struct gr_spec_field *field)
{
    return (const char *)spec + field->at;
}

static int set_text(json_t *object, const char *key, const char *text)
{
    return gr_json_set_text(object, key, gr_slice_of(text));
}

static json_t *list_of(const struct gr_spec_texts *texts)
{
    json_t *list = json_array();
    int code = 0;
    for (uint32_t i = 0; i < texts->count && list != NULL; i++) {
        code |= gr_json_append(list, gr_json_text(gr_slice_of(texts->items[i])));
    }
    if (code < 0) {
        json_decref(list);
        return NULL;
    }
    return list;
}

// "NAME=TEXT" as an object.
static json_t *map_of(const struct gr_spec_texts *texts)
{
    json_t *map = json_object();
    int code = 0;
    for (uint32_t i = 0; i < texts->count && map != NULL; i++) {
        const char *text = texts->items[i];
        const char *end = strchr(text, '=');
        assert(end != NULL);
        json_t *value = gr_json_text(gr_slice_of(end + 1));
        // jansson 2.13 takes no key with a size; a copy ends at the '='.
        char *key = strndup(text, (size_t)(end - text));
        code |= key == NULL || value == NULL ? -ENOMEM : json_object_set(map, key, value);
        json_decref(value);
        free(key);
    }
    if (code != 0) {
        json_decref(map);
        return NULL;
    }
    return map;
}

static json_t *words_of(uint32_t bits, const char *const *words)
{
    json_t *list = json_array();
    for (uint32_t i = 0; words[i] != NULL && list != NULL; i++) {
        if ((bits & 1u << i) != 0 && json_array_append_new(list, json_string(words[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *after_of(const struct gr_spec *spec)
{
    json_t *list = json_array();
    int code = 0;
    for (uint32_t i = 0; i < spec->after_count && list != NULL; i++) {
        json_t *item = json_object();
        code |= gr_json_set_int(item, "job", (int64_t)spec->after[i].job);
        code |= set_text(item, "how", gr_spec_after_words[spec->after[i].how]);
        code |= gr_json_append(list, item);
    }
    if (code < 0) {
        json_decref(list);
        return NULL;
    }
    return list;
}

// Sets a field that is one number if it has not its default.
static int set_number(json_t *object, const struct gr_spec_field *field, const struct gr_spec *spec)
{
    char text[GR_QUANTITY_TEXT_SIZE];
    uint32_t value = *(const uint32_t *)place_in(spec, field);
    if (field->type == GR_SPEC_LAST) {
        return gr_json_set_int(object, field->name,
                               spec->array_first +
                                   (int64_t)(spec->array_count - 1) * spec->array_step);
    }
    switch ((int)field->type) {
    case GR_SPEC_THOUSAND:
        return gr_json_set_decimal(object, field->name, value, 3);
    case GR_SPEC_MEMORY:
        return set_text(object, field->name, gr_size_format_mib(value, text));
    case GR_SPEC_SIGNAL:
        return set_text(object, field->name, gr_signal_format(value, text));
    case GR_SPEC_WORD:
        return set_text(object, field->name, field->words[value]);
    case GR_SPEC_BITS:
        return gr_json_set(object, field->name, words_of(value, field->words));
    case GR_SPEC_FLAG:
        return gr_json_set_bool(object, field->name, (value & (uint32_t)field->high) != 0);
    case GR_SPEC_OCTAL:
        snprintf(text, sizeof text, "%03o", value);
        return set_text(object, field->name, text);
    default:
        assert(field->type == GR_SPEC_WHOLE || field->type == GR_SPEC_DEVICES);
        return gr_json_set_int(object, field->name, value);
    }
}

// The bits that a field's words stand for.
static uint32_t bits_of(const char *const *words)
{
    uint32_t count = 0;
    while (words[count] != NULL) {
        count++;
    }
    return (1u << count) - 1;
}

static bool has_default(const struct gr_spec_field *field, const struct gr_spec *spec)
{
    const struct gr_spec standard = gr_spec_default();
    if (field->type == GR_SPEC_BITS && spec->attempts > 1) {
        return false; // another default holds then: it is said
    }
    if (field->type == GR_SPEC_TIME) {
        return *(const int64_t *)place_in(spec, field) ==
               *(const int64_t *)place_in(&standard, field);
    }
    uint32_t counts = field->type == GR_SPEC_FLAG   ? (uint32_t)field->high
                      : field->type == GR_SPEC_BITS ? bits_of(field->words)
                                                    : UINT32_MAX;
    return (*(const uint32_t *)place_in(spec, field) & counts) ==
           (*(const uint32_t *)place_in(&standard, field) & counts);
}

static int set_field(json_t *object, const struct gr_spec_field *field, const struct gr_spec *spec,
                     uint32_t show);

// A group as an object of its own, if any of its fields has not its default.
static int set_group(json_t *object, const struct gr_spec_field *field, const struct gr_spec *spec,
                     uint32_t show)
{
    json_t *group = json_object();
    int code = 0;
    for (const struct gr_spec_field *inner = field->fields; inner->name != NULL; inner++) {
        code |= set_field(group, inner, spec, show);
    }
    if (code < 0 || group == NULL || json_object_size(group) == 0) {
        json_decref(group);
        return group == NULL ? -ENOMEM : code;
    }
    return gr_json_set(object, field->name, group);
}

static int set_texts(json_t *object, const struct gr_spec_field *field, const struct gr_spec *spec,
                     uint32_t show)
{
    const struct gr_spec_texts *texts = place_in(spec, field);
    if (texts->count == 0 || (field->type == GR_SPEC_MAP && (show & GR_SPEC_SHOW_ENV) == 0) ||
        (field->type == GR_SPEC_FILES && (show & GR_SPEC_SHOW_SECRETS) == 0)) {
        return 0;
    }
    return gr_json_set(object, field->name,
                       field->type == GR_SPEC_COMMAND ? list_of(texts) : map_of(texts));
}

static int set_field(json_t *object, const struct gr_spec_field *field, const struct gr_spec *spec,
                     uint32_t show)
{
    char text[GR_QUANTITY_TEXT_SIZE];
    switch (field->type) {
    case GR_SPEC_TEXT:
    case GR_SPEC_PATH:
    case GR_SPEC_KIND: {
        const char *value = *(const char *const *)place_in(spec, field);
        return value[0] == '\0' ? 0 : set_text(object, field->name, value);
    }
    case GR_SPEC_DIRECTORY: {
        const char *value = spec->directory == gr_spec_new ? "new" : spec->directory;
        return value[0] == '\0' ? 0 : set_text(object, field->name, value);
    }
    case GR_SPEC_COMMAND:
    case GR_SPEC_MAP:
    case GR_SPEC_FILES:
        return set_texts(object, field, spec, show);
    case GR_SPEC_SCRIPT:
        return 0; // is in the command
    case GR_SPEC_TIME:
        return has_default(field, spec)
                   ? 0
                   : set_text(object, field->name,
                              gr_duration_format(*(const int64_t *)place_in(spec, field), text));
    case GR_SPEC_AFTER:
        return spec->after_count == 0 ? 0 : gr_json_set(object, field->name, after_of(spec));
    case GR_SPEC_ARRAY:
        return spec->array_count == 0 ? 0 : set_group(object, field, spec, show);
    case GR_SPEC_GROUP:
        return set_group(object, field, spec, show);
    case GR_SPEC_LAST:
        return set_number(object, field, spec);
    case GR_SPEC_WHOLE:
    case GR_SPEC_THOUSAND:
    case GR_SPEC_DEVICES:
    case GR_SPEC_MEMORY:
    case GR_SPEC_SIGNAL:
    case GR_SPEC_WORD:
    case GR_SPEC_BITS:
    case GR_SPEC_FLAG:
    case GR_SPEC_OCTAL:
        return has_default(field, spec) ? 0 : set_number(object, field, spec);
    }
    return 0;
}

json_t *gr_spec_to_json(const struct gr_spec *spec, uint32_t show)
{
    json_t *object = json_object();
    int code = 0;
    assert(spec != NULL);
    for (const struct gr_spec_field *field = gr_spec_fields; field->name != NULL; field++) {
        code |= set_field(object, field, spec, show);
    }
    if (code < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}
