// The readers of nodes: see nodes_csv.h.
#include "replay/nodes_csv.h"

#include "base/csv.h"
#include "base/number.h"
#include "base/words.h"
#include "replay/trace_build.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_SITE "site"

enum { NAME, SN, KIND, MODEL, DEVICES, GPU, CPU, MEMORY, SITE, DOMAIN1 };

static const struct gr_csv_column columns[] = {
    [NAME] = {"name", false},           [SN] = {"sn", false},
    [KIND] = {"kind", false},           [MODEL] = {"model", false},
    [DEVICES] = {"devices", false},     [GPU] = {"gpu", false},
    [CPU] = {"cpu_milli", true},        [MEMORY] = {"memory_mib", true},
    [SITE] = {"site", false},           [DOMAIN1] = {"domain1", false},
    [DOMAIN1 + 1] = {"domain2", false}, [DOMAIN1 + 2] = {"domain3", false},
    [DOMAIN1 + 3] = {"domain4", false},
};
#define COLUMNS (sizeof columns / sizeof columns[0])
static_assert(COLUMNS == DOMAIN1 + GR_DOMAIN_LEVELS, "one column a level");

// The columns that this file has for the three that go by two names.
struct names {
    size_t name, kind, devices;
};

// Finds which of two names the file uses for one column: exactly one of them.
static int choose(const struct gr_csv *csv, size_t first, size_t second, size_t *ret_column,
                  struct gr_err *err)
{
    if (gr_csv_has(csv, first) == gr_csv_has(csv, second)) {
        return gr_csv_fail_line(csv, err, "found %s '%s' and '%s', expected exactly one of them",
                                gr_csv_has(csv, first) ? "both columns" : "neither of the columns",
                                columns[first].name, columns[second].name);
    }
    *ret_column = gr_csv_has(csv, first) ? first : second;
    return 0;
}

static int read_domains(struct gr_trace *trace, const struct gr_csv *csv,
                        struct gr_trace_node *node, struct gr_err *err)
{
    for (unsigned level = 0; level < GR_DOMAIN_LEVELS; level++) {
        node->domain[level] = GR_TRACE_NO_DOMAIN;
        if (!gr_csv_is_blank(csv, DOMAIN1 + level)) {
            int code = gr_trace_add_domain(trace, level, gr_csv_get(csv, DOMAIN1 + level),
                                           &node->domain[level], err);
            if (code < 0) {
                return code;
            }
        }
    }
    int wrong = gr_trace_domain_wrong(trace, node);
    if (wrong > 0) {
        return gr_csv_fail(csv, DOMAIN1 + (size_t)wrong, err,
                           "found a domain whose earlier nodes have other wider domains, expected "
                           "each domain to lie within one domain of each wider level");
    }
    return 0;
}

// Words what the trace refused about a field; a lack of memory is about no field.
static int fail_name(const struct gr_csv *csv, size_t column, const struct gr_err *why,
                     struct gr_err *err)
{
    return why->code == -ENOMEM ? gr_fail(err, -ENOMEM, "%s", why->text)
                                : gr_csv_fail(csv, column, err, "found %s", why->text);
}

// The model, which may be blank only where there is nothing of it.
static int read_model(struct gr_trace *trace, const struct gr_csv *csv, size_t column,
                      struct gr_trace_node *node, struct gr_err *err)
{
    struct gr_slice model = gr_csv_get(csv, column);
    if (model.size == 0 && node->devices > 0) {
        return gr_csv_fail(csv, column, err,
                           "found a blank field, expected the model of %" PRIu32 " devices",
                           node->devices);
    }
    if (model.size > 0 && memchr(model.text, '|', model.size) != NULL) {
        return gr_csv_fail(csv, column, err,
                           "found a name with '|', expected one model's name without it");
    }
    struct gr_err why;
    gr_err_init(&why);
    int code = gr_trace_add_model(trace, model, &node->model, &why);
    return code == 0 ? 0 : fail_name(csv, column, &why, err);
}

static int read_site(struct gr_trace *trace, const struct gr_csv *csv, struct gr_trace_node *node,
                     struct gr_err *err)
{
    struct gr_slice site = gr_csv_get(csv, SITE);
    struct gr_err why;
    gr_err_init(&why);
    int code = gr_trace_add_site(trace, site.size > 0 ? site : gr_slice_of(DEFAULT_SITE),
                                 &node->site, &why);
    return code == 0 ? 0 : fail_name(csv, SITE, &why, err);
}

// Adds the node and words what the trace refuses.
static int add_node(struct gr_trace *trace, const struct gr_csv *csv, size_t column,
                    const struct gr_trace_node *node, struct gr_err *err)
{
    char name[GR_NAME_SIZE];
    int code = gr_csv_get_text(csv, column, name, sizeof name, err);
    if (code < 0) {
        return code;
    }
    struct gr_err why;
    gr_err_init(&why);
    if (gr_trace_check_name(gr_slice_of(name), &why) < 0) {
        return fail_name(csv, column, &why, err);
    }
    code = gr_trace_add_node(trace, node, gr_slice_of(name), err);
    if (code == -EEXIST) {
        return gr_csv_fail(csv, column, err, "found a second node '%s', expected each name once",
                           name);
    }
    if (code == -ERANGE) {
        return gr_csv_fail_line(csv, err, "found more than %d nodes, expected no more",
                                GR_NODES_MAX);
    }
    return code;
}

static int read_node(struct gr_trace *trace, const struct gr_csv *csv, const struct names *names,
                     struct gr_err *err)
{
    struct gr_trace_node node = {0};
    int64_t devices = 0, cpu = 0, memory = 0;
    int code = gr_csv_get_int(csv, names->devices, 0, GR_NODE_DEVICES_MAX, &devices, err);
    if (code == 0) {
        code = gr_csv_get_int(csv, CPU, 0, GR_CPU_MILLI_MAX, &cpu, err);
    }
    if (code == 0) {
        code = gr_csv_get_int(csv, MEMORY, 0, GR_MEMORY_MIB_MAX, &memory, err);
    }
    node.devices = (uint32_t)devices;
    node.cpu_milli = (uint32_t)cpu;
    node.memory_mib = (uint32_t)memory;
    if (code == 0) {
        code = read_model(trace, csv, names->kind, &node, err);
    }
    if (code == 0) {
        code = read_site(trace, csv, &node, err);
    }
    if (code == 0) {
        code = read_domains(trace, csv, &node, err);
    }
    return code < 0 ? code : add_node(trace, csv, names->name, &node, err);
}

static int read_all(struct gr_trace *trace, struct gr_csv *csv, struct gr_err *err)
{
    struct names names = {0};
    int code = choose(csv, NAME, SN, &names.name, err);
    if (code == 0) {
        code = choose(csv, KIND, MODEL, &names.kind, err);
    }
    if (code == 0) {
        code = choose(csv, DEVICES, GPU, &names.devices, err);
    }
    while (code == 0 && (code = gr_csv_next(csv, err)) == 1) {
        code = read_node(trace, csv, &names, err);
    }
    if (code == 0 && trace->node_count == 0) {
        code = gr_csv_fail_line(csv, err,
                                "found no nodes, expected at least one line after the first");
    }
    return code;
}

int gr_nodes_read(struct gr_trace *trace, const char *path, struct gr_err *err)
{
    assert(trace->node_count == 0);
    struct gr_csv *csv = NULL;
    int code = gr_csv_open(path, columns, COLUMNS, GR_CSV_STRICT, &csv, err);
    if (code == 0) {
        code = read_all(trace, csv, err);
        gr_csv_close(csv);
    }
    return code;
}

int gr_nodes_read_bytes(struct gr_trace *trace, const char *name, const char *bytes, size_t size,
                        struct gr_err *err)
{
    assert(trace->node_count == 0);
    struct gr_csv *csv = NULL;
    int code = gr_csv_open_bytes(name, bytes, size, columns, COLUMNS, GR_CSV_STRICT, &csv, err);
    if (code == 0) {
        code = read_all(trace, csv, err);
        gr_csv_close(csv);
    }
    return code;
}
