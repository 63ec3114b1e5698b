// Documents as trees: see value.h. Here is what all forms share, and the way from the trees of
// jansson and base/yaml; JSON's own bytes are read in value_json.c.
#include "codec/value.h"

#include "base/utf8.h"
#include "codec/value_parts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct gr_value *gr_value_new(struct gr_value_maker *maker, enum gr_value_type type)
{
    if (maker->count == GR_VALUES_MAX) {
        gr_fail(maker->err, -EINVAL, "found more than %d values, expected fewer", GR_VALUES_MAX);
        return NULL;
    }
    struct gr_value *value = gr_arena_take(maker->arena, sizeof *value);
    if (value == NULL) {
        gr_fail(maker->err, -ENOMEM, "not enough memory");
        return NULL;
    }
    maker->count++;
    memset(value, 0, sizeof *value);
    value->type = type;
    return value;
}

const struct gr_value *gr_value_find(const struct gr_value *mapping, struct gr_slice key)
{
    const struct gr_value *value = mapping->type == GR_VALUE_MAP ? mapping->first : NULL;
    while (value != NULL && !gr_slice_equal(value->key, key)) {
        value = value->next;
    }
    return value;
}

void gr_document_place(const struct gr_document *document, size_t offset, size_t *ret_line,
                       size_t *ret_column)
{
    size_t line = 1;
    size_t start = 0;
    offset = offset < document->size ? offset : document->size;
    for (size_t i = 0; i < offset; i++) {
        line += document->bytes[i] == '\n';
        start = document->bytes[i] == '\n' ? i + 1 : start;
    }
    *ret_line = line;
    *ret_column = gr_utf8_count(document->bytes + start, offset - start) + 1;
}

int gr_document_fail(const struct gr_document *document, const struct gr_value *value, bool at_key,
                     struct gr_err *err, const char *fmt, ...)
{
    char what[GR_ERR_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    if (document->name == NULL) {
        return gr_fail(err, -EINVAL, "%s", what);
    }
    if (value == NULL || (value->line == 0 && document->bytes == NULL)) {
        return gr_fail(err, -EINVAL, "%s: %s", document->name, what);
    }
    at_key = at_key && value->key.text != NULL;
    size_t line = at_key ? value->key_line : value->line;
    size_t column = at_key ? value->key_column : value->column;
    if (line == 0) {
        gr_document_place(document, column, &line, &column);
    }
    return gr_fail(err, -EINVAL, "%s:%zu:%zu: %s", document->name, line, column, what);
}

// ---- from jansson -------------------------------------------------------------------------------

// Numbers as text: exact for whole numbers, at most 15 digits for others.
static int take_number(struct gr_value_maker *maker, const json_t *json, struct gr_value *value)
{
    char text[64];
    if (json_is_integer(json)) {
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
    } else {
        snprintf(text, sizeof text, "%.15g", json_real_value(json));
    }
    char *copy = gr_arena_text(maker->arena, gr_slice_of(text));
    if (copy == NULL) {
        return gr_fail(maker->err, -ENOMEM, "not enough memory");
    }
    value->text = gr_slice_of(copy);
    return 0;
}

static struct gr_value *take_json(struct gr_value_maker *maker, const json_t *json, unsigned depth);

static int take_object(struct gr_value_maker *maker, const json_t *json, unsigned depth,
                       struct gr_value *map)
{
    struct gr_value **tail = &map->first;
    // jansson's iterators take no const object, and change none.
    json_t *object = (json_t *)(uintptr_t)json;
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        struct gr_value *value = take_json(maker, json_object_iter_value(at), depth + 1);
        if (value == NULL) {
            return -EINVAL;
        }
        value->key = gr_slice_of(json_object_iter_key(at));
        *tail = value;
        tail = &value->next;
        map->count++;
    }
    return 0;
}

static int take_array(struct gr_value_maker *maker, const json_t *json, unsigned depth,
                      struct gr_value *list)
{
    struct gr_value **tail = &list->first;
    for (size_t i = 0; i < json_array_size(json); i++) {
        struct gr_value *value = take_json(maker, json_array_get(json, i), depth + 1);
        if (value == NULL) {
            return -EINVAL;
        }
        *tail = value;
        tail = &value->next;
        list->count++;
    }
    return 0;
}

static enum gr_value_type type_of(const json_t *json)
{
    static const enum gr_value_type types[] = {
        [JSON_OBJECT] = GR_VALUE_MAP,  [JSON_ARRAY] = GR_VALUE_LIST,
        [JSON_STRING] = GR_VALUE_TEXT, [JSON_INTEGER] = GR_VALUE_NUMBER,
        [JSON_REAL] = GR_VALUE_NUMBER, [JSON_TRUE] = GR_VALUE_BOOL,
        [JSON_FALSE] = GR_VALUE_BOOL,  [JSON_NULL] = GR_VALUE_NULL,
    };
    return types[json_typeof(json)];
}

// The value and all below it; NULL with the reason in maker->err.
static struct gr_value *take_json(struct gr_value_maker *maker, const json_t *json, unsigned depth)
{
    struct gr_value *value = gr_value_new(maker, type_of(json));
    int code = value == NULL ? -EINVAL : 0;
    if (code == 0 && depth > GR_VALUE_DEPTH_MAX && value->type >= GR_VALUE_LIST) {
        code =
            gr_fail(maker->err, -EINVAL, "found nesting deeper than %d levels", GR_VALUE_DEPTH_MAX);
    }
    if (code < 0) {
        return NULL;
    }
    switch (value->type) {
    case GR_VALUE_MAP:
        code = take_object(maker, json, depth, value);
        break;
    case GR_VALUE_LIST:
        code = take_array(maker, json, depth, value);
        break;
    case GR_VALUE_TEXT:
        value->text = (struct gr_slice){json_string_value(json), json_string_length(json)};
        if (memchr(value->text.text, '\0', value->text.size) != NULL) {
            code = gr_fail(maker->err, -EINVAL, "found a NUL character in a text, expected none");
        }
        break;
    case GR_VALUE_NUMBER:
        code = take_number(maker, json, value);
        break;
    case GR_VALUE_BOOL:
        value->text = gr_slice_of(json_is_true(json) ? "true" : "false");
        break;
    case GR_VALUE_NULL:
    case GR_VALUE_WORD:
        break;
    }
    return code < 0 ? NULL : value;
}

int gr_document_take_json(const json_t *json, struct gr_arena *arena,
                          struct gr_document *ret_document, struct gr_err *err)
{
    struct gr_err wrong = {0};
    struct gr_value_maker maker = {.arena = arena, .err = &wrong};
    assert(json != NULL);
    struct gr_value *root = take_json(&maker, json, 1);
    if (root == NULL) {
        return gr_fail(err, wrong.code, "%s", wrong.text);
    }
    *ret_document = (struct gr_document){.root = root};
    return 0;
}

// ---- from YAML ----------------------------------------------------------------------------------

static struct gr_value *take_yaml(struct gr_value_maker *maker, const struct gr_yaml_node *node)
{
    static const enum gr_value_type types[] = {
        [GR_YAML_SCALAR] = GR_VALUE_WORD,
        [GR_YAML_SEQUENCE] = GR_VALUE_LIST,
        [GR_YAML_MAPPING] = GR_VALUE_MAP,
    };
    struct gr_value *value = gr_value_new(maker, types[node->type]);
    if (value == NULL) {
        return NULL;
    }
    value->line = node->line;
    value->column = node->column;
    value->key_line = node->key_line;
    value->key_column = node->key_column;
    value->text = node->text;
    value->key = node->key;
    struct gr_value **tail = &value->first;
    for (const struct gr_yaml_node *child = node->first; child != NULL; child = child->next) {
        *tail = take_yaml(maker, child);
        if (*tail == NULL) {
            return NULL;
        }
        tail = &(*tail)->next;
        value->count++;
    }
    return value;
}

int gr_document_take_yaml(const char *name, const struct gr_yaml *yaml, struct gr_arena *arena,
                          struct gr_document *ret_document, struct gr_err *err)
{
    struct gr_err wrong = {0};
    struct gr_value_maker maker = {.arena = arena, .err = &wrong};
    struct gr_value *root = take_yaml(&maker, gr_yaml_root(yaml));
    if (root == NULL) {
        return gr_fail(err, wrong.code, "%s: %s", name, wrong.text);
    }
    *ret_document = (struct gr_document){.name = name, .root = root};
    return 0;
}
