// Kinds: see kind.h.
#include "model/kind.h"

#include "base/words.h"
#include "base/yaml.h"
#include "model/shipped.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const char *const gr_kind_order_words[] = {"listed", "cheapest", "fastest", NULL};

bool gr_kind_has(const struct gr_kind *kind, size_t variant)
{
    for (size_t i = 0; i < kind->count; i++) {
        if (kind->variants[i] == variant) {
            return true;
        }
    }
    return false;
}

void gr_kind_rank(const struct gr_kind *kind, const struct gr_catalogue *catalogue,
                  uint16_t *ret_variants)
{
    int64_t keys[GR_KIND_VARIANTS_MAX]; // smaller comes first
    enum gr_fact fact = kind->order == GR_KIND_FASTEST ? GR_FACT_FP16 : GR_FACT_PRICE;
    assert(kind->count <= GR_KIND_VARIANTS_MAX);
    for (size_t i = 0; i < kind->count; i++) {
        int64_t key = INT64_MAX; // unknown: last
        uint16_t variant = kind->variants[i];
        if (gr_variant_get(&catalogue->variants[variant], fact, &key)) {
            key = fact == GR_FACT_FP16 ? -key : key;
        }
        size_t at = i;
        for (; kind->order != GR_KIND_LISTED && at > 0 && keys[at - 1] > key; at--) {
            keys[at] = keys[at - 1];
            ret_variants[at] = ret_variants[at - 1];
        }
        keys[at] = key;
        ret_variants[at] = variant;
    }
}

const struct gr_kind *gr_kinds_find(const struct gr_kinds *kinds, struct gr_slice name)
{
    for (size_t i = 0; kinds != NULL && i < kinds->count; i++) {
        const char *known = kinds->items[i].name;
        if (strlen(known) == name.size && strncasecmp(known, name.text, name.size) == 0) {
            return &kinds->items[i];
        }
    }
    return NULL;
}

void gr_kinds_done(struct gr_kinds *kinds)
{
    free(kinds->items);
    *kinds = (struct gr_kinds){.count = 0};
}

// ---- resolving ----------------------------------------------------------------------------------

static int add_variant(struct gr_kind *kind, size_t variant, struct gr_err *err)
{
    if (gr_kind_has(kind, variant)) {
        return 0;
    }
    if (kind->count == GR_KIND_VARIANTS_MAX) {
        return gr_fail(err, -E2BIG, "found a kind of more than %d variants, expected no more",
                       GR_KIND_VARIANTS_MAX);
    }
    kind->variants[kind->count++] = (uint16_t)variant;
    return 0;
}

// The nearest name of a variant or kind. Borrowed; NULL if there is none.
static const char *suggest(const struct gr_catalogue *catalogue, const struct gr_kinds *kinds,
                           struct gr_slice name)
{
    const char *words[GR_KINDS_MAX + 2] = {gr_catalogue_suggest(catalogue, name)};
    size_t count = words[0] != NULL;
    for (size_t i = 0; kinds != NULL && i < kinds->count; i++) {
        words[count++] = kinds->items[i].name;
    }
    return gr_words_nearest(name, words);
}

static int add_member(const struct gr_catalogue *catalogue, const struct gr_kinds *kinds,
                      struct gr_slice name, struct gr_kind *kind, struct gr_err *err)
{
    int variant = gr_catalogue_find(catalogue, name);
    if (variant >= 0) {
        return add_variant(kind, (size_t)variant, err);
    }
    const struct gr_kind *set = gr_kinds_find(kinds, name);
    if (set == NULL) {
        char quote[GR_WORDS_QUOTE_SIZE];
        const char *near = suggest(catalogue, kinds, name);
        gr_words_quote(name, quote);
        return near != NULL
                   ? gr_fail(err, -EINVAL, "there is no variant or kind %s, perhaps '%s' is meant",
                             quote, near)
                   : gr_fail(err, -EINVAL,
                             "there is no variant or kind %s; `granary catalogue` and "
                             "`granary catalogue kinds` list them",
                             quote);
    }
    uint16_t ranked[GR_KIND_VARIANTS_MAX];
    gr_kind_rank(set, catalogue, ranked);
    for (size_t i = 0; i < set->count; i++) {
        int code = add_variant(kind, ranked[i], err);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

int gr_kind_resolve(const struct gr_catalogue *catalogue, const struct gr_kinds *kinds,
                    struct gr_slice text, struct gr_kind *ret_kind, struct gr_err *err)
{
    const struct gr_kind *named = gr_kinds_find(kinds, text);
    if (named != NULL) {
        *ret_kind = *named;
        return 0;
    }
    struct gr_kind kind = {.order = GR_KIND_LISTED};
    for (unsigned o = GR_KIND_CHEAPEST; gr_kind_order_words[o] != NULL; o++) {
        const char *word = gr_kind_order_words[o];
        size_t size = strlen(word);
        if (text.size > size && memcmp(text.text, word, size) == 0 && text.text[size] == ':') {
            kind.order = (enum gr_kind_order)o;
            text = (struct gr_slice){text.text + size + 1, text.size - size - 1};
            break;
        }
    }
    for (bool more = true; more;) {
        const char *bar = text.size == 0 ? NULL : memchr(text.text, '|', text.size);
        struct gr_slice name = {text.text, bar == NULL ? text.size : (size_t)(bar - text.text)};
        more = bar != NULL;
        if (name.size == 0) {
            return gr_fail(err, -EINVAL,
                           "found a blank name, expected a variant or kind, or several "
                           "with one '|' between them");
        }
        int code = add_member(catalogue, kinds, name, &kind, err);
        if (code < 0) {
            return code;
        }
        text = (struct gr_slice){name.text + name.size + more, text.size - name.size - more};
    }
    assert(kind.count > 0);
    if (kind.count == 1) {
        struct gr_slice name = gr_variant_name(&catalogue->variants[kind.variants[0]]);
        memcpy(kind.name, name.text, name.size);
    }
    *ret_kind = kind;
    return 0;
}

// ---- loading ------------------------------------------------------------------------------------

struct load {
    const struct gr_yaml *yaml;
    const struct gr_catalogue *catalogue;
    struct gr_kinds kinds;
};

static int read_name(const struct load *load, const struct gr_yaml_node *node, struct gr_kind *kind,
                     struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    gr_words_quote(node->key, quote);
    if (!gr_catalogue_is_name(node->key)) {
        return gr_yaml_fail_key(load->yaml, node, err,
                                "found %s, expected a name: up to %d of a-z 0-9 . - +, first a "
                                "letter or digit",
                                quote, GR_NAME_SIZE - 1);
    }
    if (gr_catalogue_find(load->catalogue, node->key) >= 0) {
        return gr_yaml_fail_key(load->yaml, node, err,
                                "found %s, expected a name that no variant of the catalogue has",
                                quote);
    }
    memcpy(kind->name, node->key.text, node->key.size);
    return 0;
}

static int read_member(const struct load *load, const struct gr_yaml_node *node,
                       struct gr_kind *kind, struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    int code = gr_yaml_expect(load->yaml, node, GR_YAML_SCALAR, "a variant's id or name", err);
    if (code < 0) {
        return code;
    }
    int variant = gr_catalogue_find(load->catalogue, node->text);
    gr_words_quote(node->text, quote);
    if (variant < 0) {
        const char *near = gr_catalogue_suggest(load->catalogue, node->text);
        return gr_yaml_fail(load->yaml, node, err,
                            "found %s, expected the id or name of a variant%s%s", quote,
                            near == NULL ? "" : ", perhaps ", near == NULL ? "" : near);
    }
    if (gr_kind_has(kind, (size_t)variant)) {
        return gr_yaml_fail(load->yaml, node, err, "found %s again, expected each variant once",
                            quote);
    }
    if (kind->count == GR_KIND_VARIANTS_MAX) {
        return gr_yaml_fail(load->yaml, node, err, "found more than %d variants, expected no more",
                            GR_KIND_VARIANTS_MAX);
    }
    kind->variants[kind->count++] = (uint16_t)variant;
    return 0;
}

static int read_order(const struct load *load, const struct gr_yaml_node *node,
                      struct gr_kind *kind, struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    int code = gr_yaml_expect(load->yaml, node, GR_YAML_SCALAR, "listed, cheapest or fastest", err);
    if (code < 0) {
        return code;
    }
    for (size_t i = 0; gr_kind_order_words[i] != NULL; i++) {
        if (gr_slice_is(node->text, gr_kind_order_words[i])) {
            kind->order = (enum gr_kind_order)i;
            return 0;
        }
    }
    return gr_yaml_fail(load->yaml, node, err, "found %s, expected listed, cheapest or fastest",
                        gr_words_quote(node->text, quote));
}

static int read_summary(const struct load *load, const struct gr_yaml_node *node,
                        struct gr_kind *kind, struct gr_err *err)
{
    int code = gr_yaml_expect(load->yaml, node, GR_YAML_SCALAR, "a line of text", err);
    if (code < 0) {
        return code;
    }
    if (node->text.size >= GR_KIND_SUMMARY_SIZE ||
        (node->text.size > 0 && memchr(node->text.text, '\n', node->text.size) != NULL)) {
        return gr_yaml_fail(load->yaml, node, err,
                            "found a longer text, expected one line of at "
                            "most %d bytes",
                            GR_KIND_SUMMARY_SIZE - 1);
    }
    memcpy(kind->summary, node->text.text, node->text.size);
    return 0;
}

static int read_kind(const struct load *load, const struct gr_yaml_node *node,
                     struct gr_kind *ret_kind, struct gr_err *err)
{
    static const char *const keys[] = {"any-of", "order", "summary", NULL};
    struct gr_kind kind = {.order = GR_KIND_LISTED};
    int code = read_name(load, node, &kind, err);
    code = code < 0 ? code
                    : gr_yaml_expect(load->yaml, node, GR_YAML_MAPPING,
                                     "a mapping with any-of, order and summary", err);
    code = code < 0 ? code : gr_yaml_expect_keys(load->yaml, node, keys, err);
    if (code < 0) {
        return code;
    }
    const struct gr_yaml_node *members = gr_yaml_find(node, "any-of");
    const struct gr_yaml_node *order = gr_yaml_find(node, "order");
    const struct gr_yaml_node *summary = gr_yaml_find(node, "summary");
    if (members == NULL) {
        return gr_yaml_fail_key(load->yaml, node, err, "found no any-of, expected it in a kind");
    }
    code = gr_yaml_expect(load->yaml, members, GR_YAML_SEQUENCE, "a list of variants", err);
    for (const struct gr_yaml_node *n = members->first; code == 0 && n != NULL; n = n->next) {
        code = read_member(load, n, &kind, err);
    }
    if (code == 0 && kind.count == 0) {
        code = gr_yaml_fail(load->yaml, members, err, "found an empty list, expected a variant");
    }
    code = code < 0 || order == NULL ? code : read_order(load, order, &kind, err);
    code = code < 0 || summary == NULL ? code : read_summary(load, summary, &kind, err);
    if (code == 0) {
        *ret_kind = kind;
    }
    return code;
}

static int read_kinds(struct load *load, struct gr_err *err)
{
    static const char *const keys[] = {"kinds", NULL};
    const struct gr_yaml_node *root = gr_yaml_root(load->yaml);
    int code = gr_yaml_expect(load->yaml, root, GR_YAML_MAPPING, "a mapping with kinds", err);
    code = code < 0 ? code : gr_yaml_expect_keys(load->yaml, root, keys, err);
    if (code < 0) {
        return code;
    }
    const struct gr_yaml_node *list = gr_yaml_find(root, "kinds");
    if (list == NULL) {
        return gr_yaml_fail(load->yaml, root, err, "found no key 'kinds', expected it");
    }
    code = gr_yaml_expect(load->yaml, list, GR_YAML_MAPPING, "a mapping of names to kinds", err);
    if (code < 0) {
        return code;
    }
    size_t count = 0;
    for (const struct gr_yaml_node *n = list->first; n != NULL; n = n->next) {
        if (++count > GR_KINDS_MAX) {
            return gr_yaml_fail_key(load->yaml, n, err,
                                    "found more than %d kinds, expected no more", GR_KINDS_MAX);
        }
    }
    load->kinds.items = calloc(count + 1, sizeof *load->kinds.items);
    if (load->kinds.items == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for kinds");
    }
    for (const struct gr_yaml_node *n = list->first; code == 0 && n != NULL; n = n->next) {
        code = read_kind(load, n, &load->kinds.items[load->kinds.count], err);
        load->kinds.count += code == 0;
    }
    return code;
}

// Reads an open file, closes it, and hands the kinds out if all of it was right.
static int load_yaml(struct gr_yaml *yaml, const struct gr_catalogue *catalogue,
                     struct gr_kinds *ret_kinds, struct gr_err *err)
{
    struct load load = {.yaml = yaml, .catalogue = catalogue};
    int code = read_kinds(&load, err);
    gr_yaml_close(yaml);
    if (code < 0) {
        gr_kinds_done(&load.kinds);
        return code;
    }
    *ret_kinds = load.kinds;
    return 0;
}

int gr_kinds_load_bytes(const char *name, const char *bytes, size_t size,
                        const struct gr_catalogue *catalogue, struct gr_kinds *ret_kinds,
                        struct gr_err *err)
{
    assert(catalogue != NULL);
    assert(ret_kinds != NULL);
    struct gr_yaml *yaml = NULL;
    int code = gr_yaml_open_bytes(name, bytes, size, &yaml, err);
    return code < 0 ? code : load_yaml(yaml, catalogue, ret_kinds, err);
}

int gr_kinds_load(const char *path, const struct gr_catalogue *catalogue,
                  struct gr_kinds *ret_kinds, struct gr_err *err)
{
    if (path == NULL) {
        struct gr_slice shipped = gr_shipped_kinds();
        return gr_kinds_load_bytes("data/kinds.yaml", shipped.text, shipped.size, catalogue,
                                   ret_kinds, err);
    }
    assert(catalogue != NULL);
    assert(ret_kinds != NULL);
    struct gr_yaml *yaml = NULL;
    int code = gr_yaml_open(path, &yaml, err);
    return code < 0 ? code : load_yaml(yaml, catalogue, ret_kinds, err);
}
