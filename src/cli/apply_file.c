// The file of `granary apply`: see apply_file.h.
#include "cli/apply_file.h"

#include "base/json.h"
#include "base/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 12 };

// What stands behind a key.
struct key {
    const char *name; // NULL: the end of a list
    enum { TEXT, WORDS, MAPPING, ENTRIES } what;
    const struct key *inner; // of MAPPING, and of each of ENTRIES, whose first key must be given
};

static const struct key limits[] = {{"running", TEXT, NULL},      {"devices", TEXT, NULL},
                                    {"user-running", TEXT, NULL}, {"user-devices", TEXT, NULL},
                                    {"priority", TEXT, NULL},     {NULL, TEXT, NULL}};
static const struct key quotas[] = {{"kind", TEXT, NULL},
                                    {"nominal", TEXT, NULL},
                                    {"borrow", TEXT, NULL},
                                    {"lend", TEXT, NULL},
                                    {NULL, TEXT, NULL}};
static const struct key organisations[] = {
    {"name", TEXT, NULL},        {"parent", TEXT, NULL},          {"role", TEXT, NULL},
    {"seat", TEXT, NULL},        {"ultimate_parent", TEXT, NULL}, {"weight", TEXT, NULL},
    {"limits", MAPPING, limits}, {"quotas", ENTRIES, quotas},     {NULL, TEXT, NULL}};
static const struct key users[] = {
    {"name", TEXT, NULL}, {"organisation", TEXT, NULL}, {NULL, TEXT, NULL}};
static const struct key nodes[] = {
    {"name", TEXT, NULL}, {"state", TEXT, NULL}, {"why", TEXT, NULL}, {NULL, TEXT, NULL}};
static const struct key queue[] = {{"half-life", TEXT, NULL}, {"notice", TEXT, NULL},
                                   {"min-run", TEXT, NULL},   {"lost-work-per-hour", TEXT, NULL},
                                   {"reclaim", WORDS, NULL},  {NULL, TEXT, NULL}};
static const struct key classes[] = {
    {"name", TEXT, NULL}, {"priority", TEXT, NULL}, {"limit", TEXT, NULL}, {NULL, TEXT, NULL}};
static const struct key sections[] = {{"organisations", ENTRIES, organisations},
                                      {"users", ENTRIES, users},
                                      {"nodes", ENTRIES, nodes},
                                      {"queue", MAPPING, queue},
                                      {"classes", ENTRIES, classes},
                                      {NULL, TEXT, NULL}};

// --- reading

static int fail_memory(struct gr_err *err)
{
    return gr_fail(err, -ENOMEM, "not enough memory for a declaration");
}

// An error about a key that is none of these.
static int fail_key(const struct gr_yaml *yaml, const struct gr_yaml_node *node,
                    const struct key *keys, struct gr_err *err)
{
    const char *words[KEYS_MAX + 1] = {NULL};
    char quote[GR_WORDS_QUOTE_SIZE];
    char list[256];
    for (size_t k = 0; k < KEYS_MAX && keys[k].name != NULL; k++) {
        words[k] = keys[k].name;
    }
    const char *nearest = gr_words_nearest(node->key, words);
    return gr_yaml_fail_key(yaml, node, err, "found the key %s, expected %s%s",
                            gr_words_quote(node->key, quote), nearest == NULL ? "" : "perhaps ",
                            nearest == NULL ? gr_words_list(words, list, sizeof list) : nearest);
}

static int read_words(const struct gr_yaml *yaml, const struct gr_yaml_node *node, json_t *array,
                      struct gr_err *err)
{
    for (const struct gr_yaml_node *word = node->first; word != NULL; word = word->next) {
        if (word->type != GR_YAML_SCALAR) {
            return gr_yaml_fail(yaml, word, err, "expected a word");
        }
        if (gr_json_append(array, gr_json_text(word->text)) != 0) {
            return fail_memory(err);
        }
    }
    return 0;
}

// One value that needs no other function, or -1.
static int read_plain(const struct gr_yaml *yaml, const struct key *key,
                      const struct gr_yaml_node *node, json_t *object, struct gr_err *err)
{
    if (key->what == TEXT && node->type == GR_YAML_SCALAR) {
        return gr_json_set_text(object, key->name, node->text) == 0 ? 0 : fail_memory(err);
    }
    if (key->what == WORDS && node->type == GR_YAML_SEQUENCE) {
        json_t *array = json_array();
        return gr_json_set(object, key->name, array) == 0 ? read_words(yaml, node, array, err)
                                                          : fail_memory(err);
    }
    return gr_yaml_fail(yaml, node, err, "%s: expected %s", key->name,
                        key->what == TEXT ? "a text" : "a list of words");
}

// The keys of a mapping, of what `of` names, but for the mappings inside.
static int read_leaf(const struct gr_yaml *yaml, const char *of, const struct key *keys,
                     bool has_first, const struct gr_yaml_node *mapping, json_t *object,
                     struct gr_err *err)
{
    if (mapping->type != GR_YAML_MAPPING) {
        return gr_yaml_fail(yaml, mapping, err, "%s: expected an entry with %s: ...", of,
                            keys[0].name);
    }
    int code = 0;
    for (const struct gr_yaml_node *node = mapping->first; code == 0 && node != NULL;
         node = node->next) {
        const struct key *key = keys;
        while (key->name != NULL && !gr_slice_is(node->key, key->name)) {
            key++;
        }
        if (key->name == NULL) {
            return fail_key(yaml, node, keys, err);
        }
        if (key->what == TEXT || key->what == WORDS) {
            code = read_plain(yaml, key, node, object, err);
        }
    }
    if (code == 0 && has_first && gr_yaml_find(mapping, keys[0].name) == NULL) {
        return gr_yaml_fail(yaml, mapping, err, "%s: an entry lacks its %s", of, keys[0].name);
    }
    return code;
}

static int read_inner(const struct gr_yaml *yaml, const struct key *key,
                      const struct gr_yaml_node *node, json_t *object, struct gr_err *err)
{
    if (key->what == MAPPING) {
        json_t *inner = json_object();
        return gr_json_set(object, key->name, inner) == 0
                   ? read_leaf(yaml, key->name, key->inner, false, node, inner, err)
                   : fail_memory(err);
    }
    json_t *list = json_array();
    int code = gr_json_set(object, key->name, list) == 0 ? 0 : fail_memory(err);
    if (code == 0 && node->type != GR_YAML_SEQUENCE) {
        return gr_yaml_fail(yaml, node, err, "%s: expected a list", key->name);
    }
    for (const struct gr_yaml_node *entry = node->first; code == 0 && entry != NULL;
         entry = entry->next) {
        json_t *inner = json_object();
        code = gr_json_append(list, inner) == 0
                   ? read_leaf(yaml, key->name, key->inner, true, entry, inner, err)
                   : fail_memory(err);
    }
    return code;
}

// The mappings and lists of mappings inside an entry of a section.
static int read_entry(const struct gr_yaml *yaml, const char *of, const struct key *keys,
                      const struct gr_yaml_node *entry, json_t *object, struct gr_err *err)
{
    int code = read_leaf(yaml, of, keys, true, entry, object, err);
    for (const struct key *key = keys; code == 0 && key->name != NULL; key++) {
        const struct gr_yaml_node *node = gr_yaml_find(entry, key->name);
        if (node != NULL && (key->what == MAPPING || key->what == ENTRIES)) {
            code = read_inner(yaml, key, node, object, err);
        }
    }
    return code;
}

static int read_section(const struct gr_yaml *yaml, const struct key *section,
                        const struct gr_yaml_node *node, json_t *body, struct gr_err *err)
{
    if (section->what == MAPPING) {
        return read_inner(yaml, section, node, body, err);
    }
    if (node->type != GR_YAML_SEQUENCE) {
        return gr_yaml_fail(yaml, node, err, "%s: expected a list", section->name);
    }
    json_t *list = json_array();
    int code = gr_json_set(body, section->name, list) == 0 ? 0 : fail_memory(err);
    for (const struct gr_yaml_node *entry = node->first; code == 0 && entry != NULL;
         entry = entry->next) {
        json_t *object = json_object();
        code = gr_json_append(list, object) == 0
                   ? read_entry(yaml, section->name, section->inner, entry, object, err)
                   : fail_memory(err);
    }
    return code;
}

int gr_cli_apply_read(const char *path, struct gr_yaml **ret_yaml, json_t **ret_body,
                      struct gr_err *err)
{
    struct gr_yaml *yaml = NULL;
    int code = gr_yaml_open(strcmp(path, "-") == 0 ? "/dev/stdin" : path, &yaml, err);
    if (code < 0) {
        return code;
    }
    const struct gr_yaml_node *root = gr_yaml_root(yaml);
    json_t *body = json_object();
    if (root->type != GR_YAML_MAPPING) {
        code = gr_yaml_fail(yaml, root, err, "expected organisations, users, nodes or queue");
    }
    for (const struct gr_yaml_node *node = root->first; code == 0 && node != NULL;
         node = node->next) {
        const struct key *section = sections;
        while (section->name != NULL && !gr_slice_is(node->key, section->name)) {
            section++;
        }
        code = section->name == NULL ? fail_key(yaml, node, sections, err)
                                     : read_section(yaml, section, node, body, err);
    }
    if (code < 0) {
        gr_yaml_close(yaml);
        json_decref(body);
        return code;
    }
    *ret_yaml = yaml;
    *ret_body = body;
    return 0;
}

// --- places

// The node of a path such as "organisations[1].quotas[0].lend", or the last one on the way that is
// there. NULL: not even the first. *ret_end: what follows the path.
static const struct gr_yaml_node *walk(const struct gr_yaml_node *root, const char *path,
                                       const char **ret_end)
{
    const struct gr_yaml_node *node = root;
    const struct gr_yaml_node *found = NULL;
    while (node != NULL && *path != '\0') {
        char key[64];
        size_t size = strcspn(path, ".[]: ");
        snprintf(key, sizeof key, "%.*s", (int)(size < sizeof key ? size : 0), path);
        path += size;
        node = node->type == GR_YAML_MAPPING ? gr_yaml_find(node, key) : NULL;
        if (node != NULL && *path == '[') {
            unsigned long index = strtoul(path + 1, NULL, 10);
            node = node->first;
            while (node != NULL && index-- > 0) {
                node = node->next;
            }
            path += strcspn(path, "]");
            path += *path == ']';
        }
        found = node != NULL ? node : found;
        if (*path != '.') {
            break;
        }
        path++;
    }
    *ret_end = path;
    return found;
}

void gr_cli_apply_place(const struct gr_yaml *yaml, const char *field, struct gr_err *err)
{
    const char *end = "";
    const struct gr_yaml_node *root = gr_yaml_root(yaml);
    const struct gr_yaml_node *node = walk(root, field, &end);
    for (const struct key *section = sections; node == NULL && section->name != NULL; section++) {
        char start[32];
        snprintf(start, sizeof start, "%s[", section->name);
        const char *at = strstr(err->text, start);
        node = at == NULL ? NULL : walk(root, at, &end);
        const struct gr_yaml_node *inner =
            node != NULL && node->type == GR_YAML_MAPPING ? gr_yaml_find(node, field) : NULL;
        node = inner != NULL ? inner : node;
    }
    if (node != NULL) {
        char text[GR_ERR_TEXT_SIZE];
        int code = err->code;
        snprintf(text, sizeof text, "%s", err->text);
        (void)gr_yaml_fail(yaml, node, err, "%s", text);
        err->code = code;
    }
}
