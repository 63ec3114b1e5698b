// A safe part of YAML: see yaml.h. libyaml finds the events; what is refused is refused here.
#include "base/yaml.h"

#include "base/file.h"
#include "base/utf8.h"
#include "base/words.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

// A node and the way to free it: all nodes of a document hang on one chain.
struct owned {
    struct gr_yaml_node node;
    struct owned *chain;
};

struct gr_yaml {
    char *name;
    struct owned *chain;
    struct gr_yaml_node *root;
};

// One open mapping or sequence while parsing.
struct level {
    struct gr_yaml_node *node;
    struct gr_yaml_node *last; // child so far
    size_t child_count;
    bool has_key; // a key was read, its value comes next
    struct gr_slice key;
    uint32_t key_line;
    uint32_t key_column;
};

struct load {
    struct gr_yaml *yaml;
    const char *bytes; // the file, for places that libyaml knows by offset only
    size_t size;
    struct level levels[GR_YAML_DEPTH_MAX];
    size_t depth;
    size_t document_count;
};

static int fail_at(const struct gr_yaml *yaml, size_t line, size_t column, struct gr_err *err,
                   const char *what)
{
    return gr_fail(err, -EINVAL, "%s:%zu:%zu: %s", yaml->name, line, column, what);
}

static int fail_mark(const struct load *load, yaml_mark_t mark, struct gr_err *err,
                     const char *what)
{
    return fail_at(load->yaml, mark.line + 1, mark.column + 1, err, what);
}

static int fail_memory(const struct gr_yaml *yaml, struct gr_err *err)
{
    return gr_fail(err, -ENOMEM, "%s: not enough memory", yaml->name);
}

// Copies a scalar's text into a node of its own that only holds it. NULL text if there is no
// memory.
static struct owned *new_node(struct gr_yaml *yaml, yaml_mark_t mark, const char *text, size_t size)
{
    struct owned *owned = calloc(1, sizeof *owned + size + 1);
    if (owned == NULL) {
        return NULL;
    }
    char *copy = (char *)(owned + 1);
    if (size > 0) {
        memcpy(copy, text, size);
    }
    owned->node.text = (struct gr_slice){copy, size};
    owned->node.line = (uint32_t)mark.line + 1;
    owned->node.column = (uint32_t)mark.column + 1;
    owned->chain = yaml->chain;
    yaml->chain = owned;
    return owned;
}

static int check_scalar(const struct load *load, const yaml_event_t *event, struct gr_err *err)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    for (size_t at = 0; at < size;) {
        uint32_t point;
        size_t length = gr_utf8_read(text + at, size - at, &point);
        if (length == 0 || (gr_utf8_is_control(point) && point != '\n' && point != '\t')) {
            return fail_mark(load, event->start_mark, err,
                             "found a control character in a text, expected none");
        }
        at += length;
    }
    return 0;
}

static int take_key(struct load *load, struct level *level, const yaml_event_t *event,
                    struct gr_err *err)
{
    if (event->type != YAML_SCALAR_EVENT) {
        return fail_mark(load, event->start_mark, err,
                         "found a list or mapping as a key, expected a text");
    }
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    struct gr_slice key = {text, size};
    for (const struct gr_yaml_node *n = level->node->first; n != NULL; n = n->next) {
        if (gr_slice_equal(n->key, key)) {
            char quote[GR_WORDS_QUOTE_SIZE];
            char what[GR_WORDS_QUOTE_SIZE + 96];
            snprintf(what, sizeof what, "found the key %s again, expected it once (line %u has it)",
                     gr_words_quote(key, quote), n->key_line);
            return fail_mark(load, event->start_mark, err, what);
        }
    }
    struct owned *owned = new_node(load->yaml, event->start_mark, text, size);
    if (owned == NULL) {
        return fail_memory(load->yaml, err);
    }
    level->has_key = true;
    level->key = owned->node.text;
    level->key_line = owned->node.line;
    level->key_column = owned->node.column;
    return 0;
}

// Hangs a node under the innermost open one, or makes it the root.
static void attach(struct load *load, struct gr_yaml_node *node)
{
    if (load->depth == 0) {
        assert(load->yaml->root == NULL);
        load->yaml->root = node;
        return;
    }
    struct level *level = &load->levels[load->depth - 1];
    if (level->node->type == GR_YAML_MAPPING) {
        assert(level->has_key);
        node->key = level->key;
        node->key_line = level->key_line;
        node->key_column = level->key_column;
        level->has_key = false;
    }
    if (level->last == NULL) {
        level->node->first = node;
    } else {
        level->last->next = node;
    }
    level->last = node;
    level->child_count++;
}

static int take_node(struct load *load, const yaml_event_t *event, enum gr_yaml_type type,
                     struct gr_err *err)
{
    struct level *level = load->depth == 0 ? NULL : &load->levels[load->depth - 1];
    if (level != NULL && level->child_count == GR_YAML_CHILDREN_MAX) {
        return fail_mark(load, event->start_mark, err, "found more than 10000 entries or items");
    }
    if (level != NULL && level->node->type == GR_YAML_MAPPING && !level->has_key) {
        return take_key(load, level, event, err);
    }
    bool scalar = type == GR_YAML_SCALAR;
    struct owned *owned = new_node(load->yaml, event->start_mark,
                                   scalar ? (const char *)event->data.scalar.value : NULL,
                                   scalar ? event->data.scalar.length : 0);
    if (owned == NULL) {
        return fail_memory(load->yaml, err);
    }
    owned->node.type = type;
    attach(load, &owned->node);
    if (scalar) {
        return 0;
    }
    if (load->depth == GR_YAML_DEPTH_MAX) {
        return fail_mark(load, event->start_mark, err, "found nesting deeper than 16 levels");
    }
    load->levels[load->depth++] = (struct level){.node = &owned->node};
    return 0;
}

static int take_document(struct load *load, const yaml_event_t *event, struct gr_err *err)
{
    if (event->data.document_start.version_directive != NULL ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end) {
        return fail_mark(load, event->start_mark, err, "found a directive, expected none");
    }
    if (load->document_count++ > 0) {
        return fail_mark(load, event->start_mark, err, "found a second document, expected one");
    }
    return 0;
}

static const char anchored[] = "found an anchor, expected plain values (no anchors or aliases)";
static const char tagged[] = "found a tag, expected plain values (no tags)";

// Refuses what hangs on a node. Nodes without tag and anchor pass.
static int check_plain(const struct load *load, const yaml_event_t *event, const void *anchor,
                       const void *tag, struct gr_err *err)
{
    if (anchor != NULL || tag != NULL) {
        return fail_mark(load, event->start_mark, err, anchor != NULL ? anchored : tagged);
    }
    return 0;
}

static int take_event(struct load *load, const yaml_event_t *event, struct gr_err *err)
{
    int code = 0;
    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    case YAML_DOCUMENT_START_EVENT:
        return take_document(load, event, err);
    case YAML_ALIAS_EVENT:
        return fail_mark(load, event->start_mark, err,
                         "found an alias, expected plain values (no anchors or aliases)");
    case YAML_SCALAR_EVENT:
        code = check_plain(load, event, event->data.scalar.anchor, event->data.scalar.tag, err);
        code = code < 0 ? code : check_scalar(load, event, err);
        return code < 0 ? code : take_node(load, event, GR_YAML_SCALAR, err);
    case YAML_SEQUENCE_START_EVENT:
        code = check_plain(load, event, event->data.sequence_start.anchor,
                           event->data.sequence_start.tag, err);
        return code < 0 ? code : take_node(load, event, GR_YAML_SEQUENCE, err);
    case YAML_MAPPING_START_EVENT:
        code = check_plain(load, event, event->data.mapping_start.anchor,
                           event->data.mapping_start.tag, err);
        return code < 0 ? code : take_node(load, event, GR_YAML_MAPPING, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        assert(load->depth > 0);
        load->depth--;
        return 0;
    }
    return 0;
}

static int fail_parser(const struct load *load, const yaml_parser_t *parser, struct gr_err *err)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        return fail_memory(load->yaml, err);
    }
    char what[256];
    snprintf(what, sizeof what, "not YAML: %s%s%s", parser->context == NULL ? "" : parser->context,
             parser->context == NULL ? "" : ", ",
             parser->problem == NULL ? "cannot be read" : parser->problem);
    if (parser->error == YAML_READER_ERROR) {
        size_t offset = parser->problem_offset < load->size ? parser->problem_offset : load->size;
        size_t line = 1;
        size_t start = 0;
        for (size_t i = 0; i < offset; i++) {
            line += load->bytes[i] == '\n';
            start = load->bytes[i] == '\n' ? i + 1 : start;
        }
        size_t column = gr_utf8_count(load->bytes + start, offset - start) + 1;
        return fail_at(load->yaml, line, column, err, what);
    }
    return fail_mark(load, parser->problem_mark, err, what);
}

static int load_events(struct load *load, yaml_parser_t *parser, struct gr_err *err)
{
    for (;;) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            return fail_parser(load, parser, err);
        }
        int code = take_event(load, &event, err);
        bool end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (code < 0 || end) {
            return code;
        }
    }
}

// Refuses bytes that are no text before libyaml sees them, so that the position is ours.
static int check_bytes(const struct gr_yaml *yaml, const char *bytes, size_t size,
                       struct gr_err *err)
{
    size_t line = 1;
    size_t column = 1;
    for (size_t at = 0; at < size;) {
        uint32_t point;
        size_t length = gr_utf8_read(bytes + at, size - at, &point);
        if (length == 0) {
            return fail_at(yaml, line, column, err, "found a byte that is not valid UTF-8");
        }
        if (gr_utf8_is_control(point) && point != '\n' && point != '\t' && point != '\r') {
            return fail_at(yaml, line, column, err, "found a control character, expected text");
        }
        column = point == '\n' ? 1 : column + 1;
        line += point == '\n';
        at += length;
    }
    return 0;
}

static int load_bytes(struct gr_yaml *yaml, const char *bytes, size_t size, struct gr_err *err)
{
    struct load load = {.yaml = yaml, .bytes = bytes, .size = size};
    yaml_parser_t parser;
    if (size > GR_YAML_SIZE_MAX) {
        return gr_fail(err, -EFBIG, "%s: is larger than %zu MiB, the limit for such a file",
                       yaml->name, GR_YAML_SIZE_MAX >> 20);
    }
    int code = check_bytes(yaml, bytes, size, err);
    if (code < 0) {
        return code;
    }
    if (yaml_parser_initialize(&parser) == 0) {
        return fail_memory(yaml, err);
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, size);
    code = load_events(&load, &parser, err);
    yaml_parser_delete(&parser);
    if (code == 0 && yaml->root == NULL) {
        return fail_at(yaml, 1, 1, err, "found an empty file, expected a mapping");
    }
    return code;
}

int gr_yaml_open_bytes(const char *name, const char *bytes, size_t size, struct gr_yaml **ret_yaml,
                       struct gr_err *err)
{
    assert(name != NULL);
    assert(ret_yaml != NULL);
    struct gr_yaml *yaml = calloc(1, sizeof *yaml);
    char *copy = strdup(name);
    if (yaml == NULL || copy == NULL) {
        free(yaml);
        free(copy);
        return gr_fail(err, -ENOMEM, "%s: not enough memory", name);
    }
    yaml->name = copy;
    int code = load_bytes(yaml, size == 0 ? "" : bytes, size, err);
    if (code < 0) {
        gr_yaml_close(yaml);
        return code;
    }
    *ret_yaml = yaml;
    return 0;
}

int gr_yaml_open(const char *path, struct gr_yaml **ret_yaml, struct gr_err *err)
{
    char *bytes = NULL;
    size_t size = 0;
    int code = gr_file_read(path, GR_YAML_SIZE_MAX, &bytes, &size, err);
    if (code < 0) {
        return code;
    }
    code = gr_yaml_open_bytes(path, bytes, size, ret_yaml, err);
    free(bytes);
    return code;
}

void gr_yaml_close(struct gr_yaml *yaml)
{
    if (yaml == NULL) {
        return;
    }
    for (struct owned *owned = yaml->chain; owned != NULL;) {
        struct owned *next = owned->chain;
        free(owned);
        owned = next;
    }
    free(yaml->name);
    free(yaml);
}

const struct gr_yaml_node *gr_yaml_root(const struct gr_yaml *yaml)
{
    return yaml->root;
}

const struct gr_yaml_node *gr_yaml_find(const struct gr_yaml_node *mapping, const char *key)
{
    assert(mapping->type == GR_YAML_MAPPING);
    const struct gr_yaml_node *node = mapping->first;
    while (node != NULL && !gr_slice_is(node->key, key)) {
        node = node->next;
    }
    return node;
}

int gr_yaml_fail(const struct gr_yaml *yaml, const struct gr_yaml_node *node, struct gr_err *err,
                 const char *fmt, ...)
{
    char what[GR_ERR_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return fail_at(yaml, node->line, node->column, err, what);
}

int gr_yaml_fail_key(const struct gr_yaml *yaml, const struct gr_yaml_node *node,
                     struct gr_err *err, const char *fmt, ...)
{
    char what[GR_ERR_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return fail_at(yaml, node->key_line, node->key_column, err, what);
}

int gr_yaml_expect(const struct gr_yaml *yaml, const struct gr_yaml_node *node,
                   enum gr_yaml_type type, const char *what, struct gr_err *err)
{
    static const char *const types[] = {"a text", "a list", "a mapping"};
    if (node->type == type) {
        return 0;
    }
    bool blank = node->type == GR_YAML_SCALAR && node->text.size == 0;
    return gr_yaml_fail(yaml, node, err, "found %s, expected %s",
                        blank ? "nothing" : types[node->type], what);
}

int gr_yaml_expect_keys(const struct gr_yaml *yaml, const struct gr_yaml_node *mapping,
                        const char *const *keys, struct gr_err *err)
{
    assert(mapping->type == GR_YAML_MAPPING);
    for (const struct gr_yaml_node *node = mapping->first; node != NULL; node = node->next) {
        size_t i = 0;
        while (keys[i] != NULL && !gr_slice_is(node->key, keys[i])) {
            i++;
        }
        if (keys[i] != NULL) {
            continue;
        }
        char quote[GR_WORDS_QUOTE_SIZE];
        char list[256];
        const char *near = gr_words_nearest(node->key, keys);
        return gr_yaml_fail_key(yaml, node, err, "found the unknown key %s, expected %s%s",
                                gr_words_quote(node->key, quote), near == NULL ? "" : "perhaps ",
                                near == NULL ? gr_words_list(keys, list, sizeof list) : near);
    }
    return 0;
}
