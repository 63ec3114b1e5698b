// Generated nodes: see pool_spec.h.
#include "replay/pool_spec.h"

#include "base/number.h"
#include "base/words.h"
#include "replay/trace_build.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// What a generated node has a device, where the description does not say.
#define DEVICE_CPU_MILLI 12000
#define DEVICE_MEMORY_MIB 131072

// One group of the description.
struct group {
    struct gr_slice text, kind, site;
    int64_t nodes, devices, cpu_milli, memory_mib; // the last two: -1 until given
    int64_t domain_nodes;                          // 0: no domains
};

// Cuts `text` at the first `mark`: returns what is before it and leaves what is after in *rest.
// Without a mark everything is before it and *rest has no text.
static struct gr_slice cut(struct gr_slice text, char mark, struct gr_slice *rest)
{
    const char *at = text.size > 0 ? memchr(text.text, mark, text.size) : NULL;
    if (at == NULL) {
        *rest = (struct gr_slice){NULL, 0};
        return text;
    }
    size_t size = (size_t)(at - text.text);
    *rest = (struct gr_slice){at + 1, text.size - size - 1};
    return (struct gr_slice){text.text, size};
}

static int wrong(const struct group *group, struct gr_err *err, const char *expected)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    return gr_fail(err, -EINVAL, "pool group %s: expected %s", gr_words_quote(group->text, quote),
                   expected);
}

static int read_setting(struct group *group, struct gr_slice setting, struct gr_err *err)
{
    struct gr_slice value;
    struct gr_slice word = cut(setting, '=', &value);
    if (gr_slice_is(word, "cpu")) {
        return gr_number_read_int(value, 0, GR_CPU_MILLI_MAX, &group->cpu_milli) == 0
                   ? 0
                   : wrong(group, err, "cpu= 1/1000 of a cpu, 0 to 100000000");
    }
    if (gr_slice_is(word, "memory")) {
        return gr_number_read_int(value, 0, GR_MEMORY_MIB_MAX, &group->memory_mib) == 0
                   ? 0
                   : wrong(group, err, "memory= MiB, 0 to 1000000000");
    }
    if (gr_slice_is(word, "domain")) {
        return gr_number_read_int(value, 1, GR_NODES_MAX, &group->domain_nodes) == 0
                   ? 0
                   : wrong(group, err, "domain= nodes that share one, at least 1");
    }
    if (gr_slice_is(word, "site") && value.size > 0) {
        group->site = value;
        return 0;
    }
    return wrong(group, err, "cpu=, memory=, site= or domain= and a value after each ':'");
}

static int read_group(struct gr_slice text, struct group *ret_group, struct gr_err *err)
{
    struct group group = {
        .text = text, .site = gr_slice_of("site"), .cpu_milli = -1, .memory_mib = -1};
    struct gr_slice settings, rest;
    struct gr_slice nodes = cut(cut(text, ':', &settings), 'x', &rest);
    struct gr_slice devices = cut(rest, 'x', &group.kind);
    if (gr_number_read_int(nodes, 1, GR_NODES_MAX, &group.nodes) < 0 ||
        gr_number_read_int(devices, 0, GR_NODE_DEVICES_MAX, &group.devices) < 0) {
        return wrong(&group, err, "NODESxDEVICESxKIND, with 1 to 262144 nodes of 0 to 16 devices");
    }
    // The number of a node is appended to its kind: 7 characters, and the NUL.
    if (group.kind.size == 0 || group.kind.size > GR_NAME_SIZE - 8 ||
        memchr(group.kind.text, '|', group.kind.size) != NULL) {
        return wrong(&group, err, "a kind of 1 to 40 bytes without '|' after NODESxDEVICESx");
    }
    while (settings.text != NULL) {
        int code = read_setting(&group, cut(settings, ':', &settings), err);
        if (code < 0) {
            return code;
        }
    }
    int64_t parts = group.devices > 0 ? group.devices : 1;
    group.cpu_milli = group.cpu_milli >= 0 ? group.cpu_milli : parts * DEVICE_CPU_MILLI;
    group.memory_mib = group.memory_mib >= 0 ? group.memory_mib : parts * DEVICE_MEMORY_MIB;
    *ret_group = group;
    return 0;
}

// Adds the i-th node of a group.
static int add_node(struct gr_trace *trace, const struct group *group, struct gr_trace_node *node,
                    int64_t i, struct gr_err *err)
{
    char text[GR_NAME_SIZE];
    if (group->domain_nodes > 0 && i % group->domain_nodes == 0) {
        snprintf(text, sizeof text, "%zu", trace->domain_count[0]);
        int code = gr_trace_add_domain(trace, 0, gr_slice_of(text), &node->domain[0], err);
        if (code < 0) {
            return code;
        }
    }
    snprintf(text, sizeof text, "%.*s-%06zu", (int)group->kind.size, group->kind.text,
             trace->node_count);
    int code = gr_trace_add_node(trace, node, gr_slice_of(text), err);
    assert(code != -EEXIST);
    return code == -ERANGE ? wrong(group, err, "at most 262144 nodes in all") : code;
}

static int add_group(struct gr_trace *trace, const struct group *group, struct gr_err *err)
{
    struct gr_trace_node node = {.devices = (uint32_t)group->devices,
                                 .cpu_milli = (uint32_t)group->cpu_milli,
                                 .memory_mib = (uint32_t)group->memory_mib};
    for (unsigned level = 0; level < GR_DOMAIN_LEVELS; level++) {
        node.domain[level] = GR_TRACE_NO_DOMAIN;
    }
    struct gr_err why;
    gr_err_init(&why);
    int code = gr_trace_add_model(trace, group->kind, &node.model, &why);
    if (code == 0) {
        code = gr_trace_add_site(trace, group->site, &node.site, &why);
    }
    if (code < 0) {
        char quote[GR_WORDS_QUOTE_SIZE];
        return gr_fail(err, code, "pool group %s: found %s", gr_words_quote(group->text, quote),
                       why.text);
    }
    for (int64_t i = 0; code == 0 && i < group->nodes; i++) {
        code = add_node(trace, group, &node, i, err);
    }
    return code;
}

int gr_pool_generate(struct gr_trace *trace, const char *spec, struct gr_err *err)
{
    assert(trace->node_count == 0);
    struct gr_slice rest = gr_slice_of(spec);
    do {
        struct group group = {0};
        int code = read_group(cut(rest, ',', &rest), &group, err);
        if (code == 0) {
            code = add_group(trace, &group, err);
        }
        if (code < 0) {
            return code;
        }
    } while (rest.text != NULL);
    return 0;
}
