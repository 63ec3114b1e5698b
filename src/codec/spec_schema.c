// The JSON schema of a spec, for the API's description: see spec_json.h.
#include "codec/spec_json.h"

#include "base/json.h"
#include "codec/spec_fields.h"

#include <errno.h>

static int set_text(json_t *object, const char *key, const char *text)
{
    return gr_json_set_text(object, key, gr_slice_of(text));
}

static json_t *schema_of(const char *type)
{
    json_t *schema = json_object();
    if (set_text(schema, "type", type) < 0) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}

// A schema that allows either of two, which it takes over.
static int set_either(json_t *schema, json_t *one, json_t *other)
{
    json_t *list = json_array();
    int code = gr_json_append(list, one);
    code |= gr_json_append(list, other);
    return gr_json_set(schema, "oneOf", list) | code;
}

static json_t *list_schema(const char *type)
{
    json_t *schema = schema_of("array");
    if (gr_json_set(schema, "items", schema_of(type)) < 0) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}

static json_t *map_schema(void)
{
    json_t *schema = schema_of("object");
    if (gr_json_set(schema, "additionalProperties", schema_of("string")) < 0) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}

static int set_words(json_t *schema, const char *const *words)
{
    json_t *list = json_array();
    int code = set_text(schema, "type", "string");
    for (size_t i = 0; words[i] != NULL; i++) {
        code |= gr_json_append(list, gr_json_text(gr_slice_of(words[i])));
    }
    return gr_json_set(schema, "enum", list) | code;
}

static json_t *group_schema(const struct gr_spec_field *fields);

static int set_whole(json_t *schema, const struct gr_spec_field *field)
{
    int code = set_text(schema, "type", "integer");
    code |= gr_json_set_int(schema, "minimum", field->low);
    return code | gr_json_set_int(schema, "maximum", field->high);
}

static int set_bits(json_t *schema, const struct gr_spec_field *field)
{
    json_t *words = json_object();
    int code = set_text(schema, "type", "array");
    code |= set_words(words, field->words);
    return gr_json_set(schema, "items", words) | code;
}

// {job: 12, how: ok}, in a list.
static int set_after(json_t *schema)
{
    json_t *how = json_object();
    json_t *fields = json_object();
    json_t *item = schema_of("object");
    int code = set_text(schema, "type", "array");
    code |= set_words(how, gr_spec_after_words);
    code |= gr_json_set(fields, "job", schema_of("integer"));
    code |= gr_json_set(fields, "how", how);
    code |= gr_json_set(item, "properties", fields);
    return gr_json_set(schema, "items", item) | code;
}

static int set_type(json_t *schema, const struct gr_spec_field *field)
{
    switch (field->type) {
    case GR_SPEC_TEXT:
    case GR_SPEC_PATH:
    case GR_SPEC_DIRECTORY:
    case GR_SPEC_SCRIPT:
    case GR_SPEC_MEMORY:
    case GR_SPEC_TIME:
    case GR_SPEC_OCTAL:
        return set_text(schema, "type", "string");
    case GR_SPEC_COMMAND:
    case GR_SPEC_KIND:
        return set_either(schema, list_schema("string"), schema_of("string"));
    case GR_SPEC_MAP:
    case GR_SPEC_FILES:
        return gr_json_set(schema, "additionalProperties", schema_of("string")) |
               set_text(schema, "type", "object");
    case GR_SPEC_WHOLE:
    case GR_SPEC_LAST:
        return set_whole(schema, field);
    case GR_SPEC_THOUSAND:
    case GR_SPEC_DEVICES:
        return set_text(schema, "type", "number") | gr_json_set_int(schema, "minimum", 0) |
               gr_json_set_int(schema, "maximum", field->high / 1000);
    case GR_SPEC_SIGNAL:
        return set_either(schema, schema_of("string"), schema_of("integer"));
    case GR_SPEC_WORD:
        return set_words(schema, field->words);
    case GR_SPEC_BITS:
        return set_bits(schema, field);
    case GR_SPEC_FLAG:
        return set_text(schema, "type", "boolean");
    case GR_SPEC_AFTER: {
        json_t *list = json_object();
        int code = set_after(list);
        return set_either(schema, list, map_schema()) | code;
    }
    case GR_SPEC_ARRAY:
        return set_either(schema, group_schema(field->fields), schema_of("string"));
    case GR_SPEC_GROUP:
        break; // made by group_schema
    }
    return -EINVAL;
}

static json_t *field_schema(const struct gr_spec_field *field)
{
    json_t *schema = field->type == GR_SPEC_GROUP ? group_schema(field->fields) : json_object();
    int code = schema == NULL ? -ENOMEM : 0;
    if (field->type != GR_SPEC_GROUP) {
        code |= set_type(schema, field);
    }
    code |= set_text(schema, "description", field->help);
    if (code < 0) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}

// An object with exactly these fields, none of which must be there.
static json_t *group_schema(const struct gr_spec_field *fields)
{
    json_t *schema = schema_of("object");
    json_t *properties = json_object();
    int code = 0;
    for (const struct gr_spec_field *field = fields; field->name != NULL; field++) {
        code |= gr_json_set(properties, field->name, field_schema(field));
    }
    code |= gr_json_set(schema, "properties", properties);
    code |= gr_json_set_bool(schema, "additionalProperties", false);
    if (code < 0) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}

json_t *gr_spec_schema(void)
{
    return group_schema(gr_spec_fields);
}
