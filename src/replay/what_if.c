// Changes of a pool and its queue, read and applied to nodes: see what_if.h.
#include "replay/what_if.h"

#include "base/number.h"
#include "base/words.h"
#include "place/policy.h"
#include "replay/terms_text.h"
#include "replay/trace_build.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_LIKE " nodes like "
#define NODE_LIKE " node like "

static const char expected[] = "+N KIND, -N KIND, KIND=N, '+N nodes like NAME', policy=NAME, "
                               "queue=WORD, quotas=FILE, or terms such as notice=5m";

// ---- reading ------------------------------------------------------------------------------------

static int wrong(struct gr_slice change, const char *what, struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    return gr_fail(err, -EINVAL, "--what-if: found %s, expected %s", gr_words_quote(change, quote),
                   what);
}

// Copies a name. False: it is empty or too long.
static bool copy_name(struct gr_slice name, char copy[GR_NAME_SIZE])
{
    if (name.size == 0 || name.size >= GR_NAME_SIZE) {
        return false;
    }
    memcpy(copy, name.text, name.size);
    copy[name.size] = '\0';
    return true;
}

static int add_nodes(struct gr_slice change, const struct gr_what_if_nodes *nodes,
                     struct gr_what_if *what_if, struct gr_err *err)
{
    if (what_if->node_changes == GR_WHAT_IF_MAX) {
        return gr_fail(err, -EINVAL, "--what-if: found more than %d changes of nodes",
                       GR_WHAT_IF_MAX);
    }
    struct gr_what_if_nodes *row = &what_if->nodes[what_if->node_changes++];
    *row = *nodes;
    snprintf(row->text, sizeof row->text, "%.*s", (int)change.size, change.text);
    return 0;
}

// "+N KIND", "-N KIND", "+N nodes like NAME".
static int read_more(struct gr_slice change, struct gr_what_if *what_if, struct gr_err *err)
{
    struct gr_what_if_nodes nodes = {0};
    const char *blank = memchr(change.text, ' ', change.size);
    size_t head = blank == NULL ? change.size : (size_t)(blank - change.text);
    struct gr_slice number = {change.text + 1, head - 1};
    struct gr_slice rest = {change.text + head, change.size - head};
    if (gr_number_read_int(number, 1, (int64_t)GR_NODES_MAX * GR_NODE_DEVICES_MAX, &nodes.amount) <
            0 ||
        rest.size < 2) {
        return wrong(change, expected, err);
    }
    size_t like = rest.size > sizeof NODES_LIKE - 1 &&
                          memcmp(rest.text, NODES_LIKE, sizeof NODES_LIKE - 1) == 0
                      ? sizeof NODES_LIKE - 1
                  : rest.size > sizeof NODE_LIKE - 1 &&
                          memcmp(rest.text, NODE_LIKE, sizeof NODE_LIKE - 1) == 0
                      ? sizeof NODE_LIKE - 1
                      : 0;
    if (like > 0 && change.text[0] == '-') {
        return wrong(change, "-N KIND: fewer devices of a kind", err);
    }
    size_t from = like > 0 ? like : 1;
    struct gr_slice name = {rest.text + from, rest.size - from};
    if (!copy_name(name, like > 0 ? nodes.like : nodes.kind)) {
        return wrong(change, expected, err);
    }
    nodes.amount = change.text[0] == '-' ? -nodes.amount : nodes.amount;
    return add_nodes(change, &nodes, what_if, err);
}

static int read_policy(struct gr_slice change, struct gr_slice value, struct gr_what_if *what_if,
                       struct gr_err *err)
{
    for (size_t i = 0; gr_policies[i] != NULL; i++) {
        if (gr_slice_is(value, gr_policies[i]->name)) {
            what_if->policy = gr_policies[i]->name;
            return 0;
        }
    }
    return wrong(change, "policy= and a placement policy, as --policy takes it", err);
}

static int read_queue(struct gr_slice change, struct gr_slice value, struct gr_what_if *what_if,
                      struct gr_err *err)
{
    static const char *const orders[] = {"fifo", "backfill", "fair"};
    for (int i = 0; i < (int)(sizeof orders / sizeof orders[0]); i++) {
        if (gr_slice_is(value, orders[i])) {
            what_if->order = i + 1;
            return 0;
        }
    }
    return wrong(change, "queue=fifo, queue=backfill or queue=fair", err);
}

// Terms are checked, and kept to be read over those of the first replay.
static int read_term(struct gr_slice change, struct gr_what_if *what_if, struct gr_err *err)
{
    struct gr_queue_terms terms = gr_terms_default();
    char text[128];
    size_t used = strlen(what_if->terms_text);
    if (change.size >= sizeof text || change.size + 2 > sizeof what_if->terms_text - used) {
        return wrong(change, "something shorter", err);
    }
    snprintf(text, sizeof text, "%.*s", (int)change.size, change.text);
    int code = gr_terms_read(text, &terms, err);
    if (code == 0) {
        snprintf(what_if->terms_text + used, sizeof what_if->terms_text - used, "%s%s",
                 used > 0 ? "," : "", text);
    }
    return code;
}

static bool is_term(struct gr_slice key)
{
    static const char *const keys[] = {"half-life", "notice", "min-run", "lost-work-per-hour",
                                       "reclaim"};
    bool is = false;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        is |= gr_slice_is(key, keys[i]);
    }
    return is;
}

static int read_change(struct gr_slice change, struct gr_what_if *what_if, struct gr_err *err)
{
    if (change.size > 1 && (change.text[0] == '+' || change.text[0] == '-')) {
        return read_more(change, what_if, err);
    }
    const char *mark = change.size > 0 ? memchr(change.text, '=', change.size) : NULL;
    if (mark == NULL) {
        return wrong(change, expected, err);
    }
    struct gr_slice key = {change.text, (size_t)(mark - change.text)};
    struct gr_slice value = {mark + 1, change.size - key.size - 1};
    if (gr_slice_is(key, "policy")) {
        return read_policy(change, value, what_if, err);
    }
    if (gr_slice_is(key, "queue")) {
        return read_queue(change, value, what_if, err);
    }
    if (gr_slice_is(key, "quotas")) {
        if (value.size == 0 || value.size >= sizeof what_if->quotas) {
            return wrong(change, "quotas= and a file", err);
        }
        memcpy(what_if->quotas, value.text, value.size);
        what_if->quotas[value.size] = '\0';
        return 0;
    }
    if (is_term(key)) {
        return read_term(change, what_if, err);
    }
    struct gr_what_if_nodes nodes = {.is_total = true};
    if (!copy_name(key, nodes.kind) ||
        gr_number_read_int(value, 0, (int64_t)GR_NODES_MAX * GR_NODE_DEVICES_MAX, &nodes.amount) <
            0) {
        return wrong(change, expected, err);
    }
    return add_nodes(change, &nodes, what_if, err);
}

int gr_what_if_read(const char *text, struct gr_what_if *what_if, struct gr_err *err)
{
    for (const char *at = text;; at++) {
        at += strspn(at, " ");
        size_t size = strcspn(at, ",");
        size_t trimmed = size;
        while (trimmed > 0 && at[trimmed - 1] == ' ') {
            trimmed--;
        }
        int code = read_change((struct gr_slice){at, trimmed}, what_if, err);
        if (code < 0) {
            return code;
        }
        at += size;
        if (*at == '\0') {
            return 0;
        }
    }
}

// ---- nodes --------------------------------------------------------------------------------------

// An error about a change of nodes.
static int fail_change(const struct gr_what_if_nodes *change, struct gr_err *err, const char *text)
{
    return wrong(gr_slice_of(change->text), text, err);
}

static bool is_alike(const struct gr_trace_node *a, const struct gr_trace_node *b)
{
    return a->model == b->model && a->devices == b->devices && a->cpu_milli == b->cpu_milli &&
           a->memory_mib == b->memory_mib && a->site == b->site;
}

// The first of the commonest nodes with devices of a model, among the first `count`.
static const struct gr_trace_node *commonest(const struct gr_trace *trace, size_t count,
                                             uint32_t model)
{
    struct {
        const struct gr_trace_node *node;
        size_t count;
    } sorts[64] = {{0}};
    size_t sort_count = 0, best = 0;
    for (size_t i = 0; i < count; i++) {
        const struct gr_trace_node *node = &trace->nodes[i];
        size_t s = 0;
        if (node->model != model || node->devices == 0) {
            continue;
        }
        while (s < sort_count && !is_alike(sorts[s].node, node)) {
            s++;
        }
        if (s == sizeof sorts / sizeof sorts[0]) {
            continue; // rare ones
        }
        sort_count = s == sort_count ? s + 1 : sort_count;
        sorts[s].node = sorts[s].node == NULL ? node : sorts[s].node;
        sorts[s].count++;
    }
    for (size_t s = 1; s < sort_count; s++) {
        best = sorts[s].count > sorts[best].count ? s : best;
    }
    return sorts[best].node;
}

// Nodes that share a domain of this level with the node; 0: it has none.
static size_t domain_size(const struct gr_trace *trace, const struct gr_trace_node *node,
                          unsigned level)
{
    size_t size = 0;
    for (size_t i = 0; i < trace->node_count && node->domain[level] != GR_TRACE_NO_DOMAIN; i++) {
        size += trace->nodes[i].domain[level] == node->domain[level];
    }
    return size;
}

// Adds `count` nodes like one; their domains are as large as its.
static int add_like(struct gr_trace *trace, const struct gr_trace_node *like, size_t count,
                    const struct gr_what_if_nodes *change, struct gr_err *err)
{
    struct gr_trace_node node = *like; // nodes may move
    size_t sizes[GR_DOMAIN_LEVELS], used[GR_DOMAIN_LEVELS] = {0};
    char name[GR_NAME_SIZE];
    int code = 0;
    for (unsigned level = 0; level < GR_DOMAIN_LEVELS; level++) {
        sizes[level] = domain_size(trace, like, level);
    }
    for (size_t i = 0; code == 0 && i < count; i++) {
        bool begins = false; // a wider domain: so do all narrower ones
        for (unsigned level = 0; code == 0 && level < GR_DOMAIN_LEVELS; level++) {
            begins = sizes[level] > 0 && (begins || used[level] % sizes[level] == 0);
            used[level] = begins ? 1 : used[level] + 1;
            if (begins) {
                snprintf(name, sizeof name, "what-if %zu", trace->domain_count[level]);
                code =
                    gr_trace_add_domain(trace, level, gr_slice_of(name), &node.domain[level], err);
            }
        }
        snprintf(name, sizeof name, "what-if-%06zu", trace->node_count);
        code = code < 0 ? code : gr_trace_add_node(trace, &node, gr_slice_of(name), err);
    }
    return code == -ERANGE   ? fail_change(change, err, "at most 262144 nodes in all")
           : code == -EEXIST ? fail_change(change, err, "no nodes called what-if-... before")
                             : code;
}

// The devices of a model on nodes that stay.
static int64_t devices_of(const struct gr_trace *trace, const bool *gone, uint32_t model)
{
    int64_t devices = 0;
    for (size_t i = 0; i < trace->node_count; i++) {
        devices += trace->nodes[i].model == model && !gone[i] ? trace->nodes[i].devices : 0;
    }
    return devices;
}

// Marks the last nodes of a model, so many devices in all.
static int mark_gone(const struct gr_trace *trace, bool *gone, uint32_t model, int64_t devices,
                     const struct gr_what_if_nodes *change, struct gr_err *err)
{
    int64_t left = devices;
    char text[160];
    if (devices > devices_of(trace, gone, model)) {
        snprintf(text, sizeof text, "at most %" PRId64 ": there are no more",
                 devices_of(trace, gone, model));
        return fail_change(change, err, text);
    }
    for (size_t i = trace->node_count; i-- > 0 && left > 0;) {
        const struct gr_trace_node *node = &trace->nodes[i];
        if (node->model != model || gone[i] || node->devices == 0) {
            continue;
        }
        if (node->devices > left) {
            int64_t less = devices - left, more = less + node->devices;
            snprintf(text, sizeof text,
                     "whole nodes: %" PRId64 " or %" PRId64 " devices fewer (the last ones go "
                     "first)",
                     less, more);
            return fail_change(change, err, text);
        }
        gone[i] = true;
        left -= node->devices;
    }
    return 0;
}

// The model of a kind that the trace has nodes of.
static int find_model(const struct gr_trace *trace, const struct gr_what_if_nodes *change,
                      uint32_t *ret_model, struct gr_err *err)
{
    const char *names[GR_POOL_VARIANTS_MAX + 1] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < trace->model_count; i++) {
        if (strcmp(trace->models[i], change->kind) == 0) {
            *ret_model = (uint32_t)i;
            return 0;
        }
        if (trace->models[i][0] != '\0') {
            names[count++] = trace->models[i];
        }
    }
    char list[192], text[256];
    snprintf(text, sizeof text, "a kind that the pool has: %s",
             gr_words_list(names, list, sizeof list));
    return fail_change(change, err, text);
}

static int find_node(const struct gr_trace *trace, const struct gr_what_if_nodes *change,
                     size_t *ret_node, struct gr_err *err)
{
    for (size_t i = 0; i < trace->node_count; i++) {
        if (strcmp(trace->nodes[i].name, change->like) == 0) {
            *ret_node = i;
            return 0;
        }
    }
    char text[128];
    snprintf(text, sizeof text, "the name of a node, such as '%.*s'", GR_NAME_SIZE,
             trace->nodes[0].name);
    return fail_change(change, err, text);
}

// Devices more (or, below 0, fewer) of a model, now that those marked have gone.
static int64_t amount_of(const struct gr_trace *trace, const bool *gone, uint32_t model,
                         const struct gr_what_if_nodes *change)
{
    return change->is_total ? change->amount - devices_of(trace, gone, model) : change->amount;
}

// What comes, and what goes is marked in `gone`, which has room for the first `count` nodes.
static int change_nodes(struct gr_trace *trace, size_t count, bool *gone, bool adds,
                        const struct gr_what_if_nodes *change, struct gr_err *err)
{
    uint32_t model = 0;
    size_t like = 0;
    int code;
    if (change->kind[0] == '\0') {
        code = find_node(trace, change, &like, err);
        return code < 0 || !adds
                   ? code
                   : add_like(trace, &trace->nodes[like], (size_t)change->amount, change, err);
    }
    code = find_model(trace, change, &model, err);
    if (code < 0) {
        return code;
    }
    int64_t amount = amount_of(trace, gone, model, change);
    if (amount < 0 || !adds) {
        return amount < 0 && !adds ? mark_gone(trace, gone, model, -amount, change, err) : 0;
    }
    const struct gr_trace_node *node = commonest(trace, count, model);
    if (amount == 0) {
        return 0;
    }
    if (node == NULL || amount % node->devices != 0) {
        char text[128];
        snprintf(text, sizeof text, "whole nodes: a multiple of %" PRIu32 " devices",
                 node == NULL ? 1 : node->devices);
        return fail_change(change, err, text);
    }
    return add_like(trace, node, (size_t)(amount / node->devices), change, err);
}

int gr_what_if_apply(const struct gr_what_if *what_if, struct gr_trace *trace, struct gr_err *err)
{
    size_t count = trace->node_count;
    bool *gone = calloc(GR_NODES_MAX, sizeof *gone);
    int code = gone == NULL ? gr_fail(err, -ENOMEM, "no memory for the nodes") : 0;
    // What goes is chosen among the nodes that were there, and goes last: numbers stay.
    for (size_t i = 0; code == 0 && i < what_if->node_changes; i++) {
        code = change_nodes(trace, count, gone, false, &what_if->nodes[i], err);
    }
    for (size_t i = 0; code == 0 && i < what_if->node_changes; i++) {
        code = change_nodes(trace, count, gone, true, &what_if->nodes[i], err);
    }
    if (code == 0 && gr_trace_drop_nodes(trace, gone) == 0) {
        code = gr_fail(err, -EINVAL, "--what-if: found no node left, expected at least one");
    }
    free(gone);
    return code;
}
