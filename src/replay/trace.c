// A recorded workload in memory: see trace.h and trace_build.h.
#include "replay/trace_build.h"

#include "base/utf8.h"
#include "replay/names.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Names, and what only the readers need to know.
struct gr_trace_memory {
    struct gr_names models, sites, users, queues, node_names, kinds, job_names;
    struct gr_names domains[GR_DOMAIN_LEVELS];
    uint32_t *first_node[GR_DOMAIN_LEVELS]; // [domain] its first node + 1; 0: none yet
    size_t first_room[GR_DOMAIN_LEVELS];
    uint32_t *kind_sets; // [kinds.count]
    size_t kind_room, node_room, job_room, set_room;
};

// Room for one more element of a growing array. 0 or -ENOMEM.
static int reserve(void **array, size_t count, size_t *room, size_t element_bytes,
                   struct gr_err *err)
{
    if (count < *room) {
        return 0;
    }
    size_t wanted = *room == 0 ? 64 : *room * 2;
    void *grown = reallocarray(*array, wanted, element_bytes);
    if (grown == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the trace");
    }
    *array = grown;
    *room = wanted;
    return 0;
}

// The names that the trace shows are the sets' own; they may have moved.
static void publish(struct gr_trace *trace)
{
    struct gr_trace_memory *memory = trace->memory;
    trace->models = memory->models.texts;
    trace->model_count = memory->models.count;
    trace->sites = memory->sites.texts;
    trace->site_count = memory->sites.count;
    for (unsigned level = 0; level < GR_DOMAIN_LEVELS; level++) {
        trace->domains[level] = memory->domains[level].texts;
        trace->domain_count[level] = memory->domains[level].count;
    }
    trace->users = memory->users.texts;
    trace->user_count = memory->users.count;
    trace->queues = memory->queues.texts;
    trace->queue_count = memory->queues.count;
    trace->kinds = memory->kinds.texts;
    trace->kind_count = memory->kinds.count;
}

static int add_name(struct gr_trace *trace, struct gr_names *names, struct gr_slice name,
                    uint32_t *ret_index, struct gr_err *err)
{
    int code = gr_names_add(names, name, ret_index, err);
    publish(trace);
    return code;
}

static int add_set(struct gr_trace *trace, const struct gr_trace_models *set, uint32_t *ret_set,
                   struct gr_err *err)
{
    for (uint32_t i = 0; i < trace->model_set_count; i++) {
        if (memcmp(&trace->model_sets[i], set, sizeof *set) == 0) {
            *ret_set = i;
            return 0;
        }
    }
    if (trace->model_set_count == GR_TRACE_KINDS_MAX) {
        return -ERANGE;
    }
    void *sets = trace->model_sets;
    int code = reserve(&sets, trace->model_set_count, &trace->memory->set_room, sizeof *set, err);
    if (code < 0) {
        return code;
    }
    trace->model_sets = sets;
    *ret_set = (uint32_t)trace->model_set_count;
    trace->model_sets[trace->model_set_count++] = *set;
    return 0;
}

void gr_trace_done(struct gr_trace *trace)
{
    struct gr_trace_memory *memory = trace->memory;
    if (memory != NULL) {
        struct gr_names *sets[] = {&memory->models,    &memory->sites, &memory->users,
                                   &memory->queues,    &memory->kinds, &memory->job_names,
                                   &memory->node_names};
        for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
            gr_names_done(sets[i]);
        }
        for (unsigned level = 0; level < GR_DOMAIN_LEVELS; level++) {
            gr_names_done(&memory->domains[level]);
            free(memory->first_node[level]);
        }
        free(memory->kind_sets);
        free(memory);
    }
    free(trace->nodes);
    free(trace->jobs);
    free(trace->order);
    free(trace->model_sets);
    free(trace->quotas);
    *trace = (struct gr_trace){0};
}

uint64_t gr_trace_capacity_milli(const struct gr_trace *trace)
{
    uint64_t milli = 0;
    for (size_t i = 0; i < trace->node_count; i++) {
        milli += (uint64_t)trace->nodes[i].devices * GR_DEVICE_MILLI;
    }
    return milli;
}

uint64_t gr_trace_job_milli(const struct gr_trace_job *job)
{
    return (uint64_t)job->tasks * job->devices * job->milli;
}

bool gr_trace_has_departures(const struct gr_trace *trace)
{
    for (size_t i = 0; i < trace->job_count; i++) {
        if (trace->jobs[i].duration_ms != GR_TRACE_FOREVER) {
            return true;
        }
    }
    return false;
}

int gr_trace_check_name(struct gr_slice name, struct gr_err *err)
{
    for (size_t at = 0; at < name.size;) {
        uint32_t point;
        size_t length = gr_utf8_read(name.text + at, name.size - at, &point);
        if (length == 0) {
            return gr_fail(err, -EINVAL, "a name with the byte 0x%02x, expected valid UTF-8",
                           (unsigned char)name.text[at]);
        }
        if (gr_utf8_is_control(point)) {
            return gr_fail(err, -EINVAL,
                           "a name with a line end, a tab or another control character, expected "
                           "none");
        }
        at += length;
    }
    if (name.size >= GR_NAME_SIZE) {
        return gr_fail(err, -EINVAL, "a name of %zu bytes, expected at most %d", name.size,
                       GR_NAME_SIZE - 1);
    }
    return 0;
}

int gr_trace_add_model(struct gr_trace *trace, struct gr_slice name, uint32_t *ret_model,
                       struct gr_err *err)
{
    struct gr_names *models = &trace->memory->models;
    int code = gr_trace_check_name(name, err);
    if (code < 0) {
        return code;
    }
    if (models->count == GR_POOL_VARIANTS_MAX && gr_names_find(models, name) == GR_NAMES_NONE) {
        return gr_fail(err, -ERANGE, "more than %d different models, expected no more",
                       GR_POOL_VARIANTS_MAX);
    }
    return add_name(trace, models, name, ret_model, err);
}

int gr_trace_add_site(struct gr_trace *trace, struct gr_slice name, uint32_t *ret_site,
                      struct gr_err *err)
{
    struct gr_names *sites = &trace->memory->sites;
    int code = gr_trace_check_name(name, err);
    if (code < 0) {
        return code;
    }
    if (sites->count == GR_SITES_MAX && gr_names_find(sites, name) == GR_NAMES_NONE) {
        return gr_fail(err, -ERANGE, "more than %d different sites, expected no more",
                       GR_SITES_MAX);
    }
    return add_name(trace, sites, name, ret_site, err);
}

int gr_trace_add_domain(struct gr_trace *trace, unsigned level, struct gr_slice name,
                        uint32_t *ret_domain, struct gr_err *err)
{
    assert(level < GR_DOMAIN_LEVELS);
    struct gr_trace_memory *memory = trace->memory;
    size_t count = memory->domains[level].count;
    void *first = memory->first_node[level];
    int code = reserve(&first, count, &memory->first_room[level], sizeof(uint32_t), err);
    memory->first_node[level] = first;
    if (code == 0) {
        code = add_name(trace, &memory->domains[level], name, ret_domain, err);
    }
    if (code == 0 && memory->domains[level].count > count) {
        memory->first_node[level][count] = 0;
    }
    return code;
}

int gr_trace_domain_wrong(const struct gr_trace *trace, const struct gr_trace_node *node)
{
    for (unsigned level = 1; level < GR_DOMAIN_LEVELS; level++) {
        if (node->domain[level] == GR_TRACE_NO_DOMAIN) {
            continue;
        }
        uint32_t first = trace->memory->first_node[level][node->domain[level]];
        if (first != 0 && memcmp(trace->nodes[first - 1].domain, node->domain,
                                 level * sizeof node->domain[0]) != 0) {
            return (int)level;
        }
    }
    return -1;
}

int gr_trace_add_user(struct gr_trace *trace, struct gr_slice name, uint32_t *ret_user,
                      struct gr_err *err)
{
    return add_name(trace, &trace->memory->users, name, ret_user, err);
}

int gr_trace_add_queue(struct gr_trace *trace, struct gr_slice name, uint32_t *ret_queue,
                       struct gr_err *err)
{
    return add_name(trace, &trace->memory->queues, name, ret_queue, err);
}

// Reads "a|b|c" into a set. -ENOENT and the unknown name if a node of such a model is missing.
static int read_kind(const struct gr_trace *trace, struct gr_slice kind,
                     struct gr_trace_models *ret_set, struct gr_slice *ret_unknown)
{
    struct gr_trace_models set = {0};
    size_t at = 0;
    do {
        const char *bar = memchr(kind.text + at, '|', kind.size - at);
        size_t end = bar == NULL ? kind.size : (size_t)(bar - kind.text);
        struct gr_slice name = {kind.text + at, end - at};
        uint32_t model = gr_names_find(&trace->memory->models, name);
        if (model == GR_NAMES_NONE || name.size == 0) {
            *ret_unknown = name;
            return -ENOENT;
        }
        set.bits[model / 64] |= (uint64_t)1 << model % 64;
        at = end + 1;
    } while (at <= kind.size);
    *ret_set = set;
    return 0;
}

// Adds a kind that is not there yet. 0 or -ENOMEM.
static int add_kind(struct gr_trace *trace, struct gr_slice kind, uint32_t set, uint32_t *ret_kind,
                    struct gr_err *err)
{
    struct gr_trace_memory *memory = trace->memory;
    void *sets = memory->kind_sets;
    int code =
        reserve(&sets, memory->kinds.count, &memory->kind_room, sizeof *memory->kind_sets, err);
    memory->kind_sets = sets;
    if (code == 0) {
        code = add_name(trace, &memory->kinds, kind, ret_kind, err);
    }
    if (code == 0) {
        memory->kind_sets[*ret_kind] = set;
    }
    return code;
}

int gr_trace_find_kind(struct gr_trace *trace, struct gr_slice kind, uint32_t *ret_kind,
                       uint32_t *ret_models, struct gr_slice *ret_unknown, struct gr_err *err)
{
    struct gr_trace_memory *memory = trace->memory;
    uint32_t known = gr_names_find(&memory->kinds, kind);
    if (known != GR_NAMES_NONE) {
        *ret_kind = known;
        *ret_models = memory->kind_sets[known];
        return 0;
    }
    struct gr_trace_models bits;
    int code = read_kind(trace, kind, &bits, ret_unknown);
    if (code == 0 && memory->kinds.count >= GR_TRACE_KINDS_MAX) {
        code = -ERANGE;
    }
    uint32_t set = 0;
    if (code == 0) {
        code = add_set(trace, &bits, &set, err);
    }
    if (code == 0) {
        code = add_kind(trace, kind, set, ret_kind, err);
    }
    if (code == 0) {
        *ret_models = set;
    }
    return code;
}

int gr_trace_init(struct gr_trace *trace, struct gr_err *err)
{
    *trace = (struct gr_trace){.memory = calloc(1, sizeof *trace->memory)};
    if (trace->memory == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the trace");
    }
    struct gr_trace_models any;
    memset(&any, 0xff, sizeof any);
    uint32_t index = 0;
    int code = add_set(trace, &any, &index, err);
    if (code == 0) {
        code = add_kind(trace, gr_slice_of(""), index, &index, err);
    }
    if (code == 0) {
        code = gr_trace_add_user(trace, gr_slice_of(""), &index, err);
    }
    if (code == 0) {
        code = gr_trace_add_queue(trace, gr_slice_of(""), &index, err);
    }
    if (code < 0) {
        gr_trace_done(trace);
    }
    return code;
}

int gr_trace_add_node(struct gr_trace *trace, const struct gr_trace_node *node,
                      struct gr_slice name, struct gr_err *err)
{
    struct gr_trace_memory *memory = trace->memory;
    assert(node->devices <= GR_NODE_DEVICES_MAX);
    assert(node->model < trace->model_count);
    assert(gr_trace_domain_wrong(trace, node) < 0);
    if (trace->node_count == GR_NODES_MAX) {
        return -ERANGE;
    }
    if (gr_names_find(&memory->node_names, name) != GR_NAMES_NONE) {
        return -EEXIST;
    }
    void *nodes = trace->nodes;
    int code = reserve(&nodes, trace->node_count, &memory->node_room, sizeof *trace->nodes, err);
    if (code < 0) {
        return code;
    }
    trace->nodes = nodes;
    uint32_t index = 0;
    code = gr_names_add(&memory->node_names, name, &index, err);
    if (code < 0) {
        return code;
    }
    trace->nodes[trace->node_count] = *node;
    trace->nodes[trace->node_count++].name = memory->node_names.texts[index];
    for (unsigned level = 0; level < GR_DOMAIN_LEVELS; level++) {
        uint32_t domain = node->domain[level];
        if (domain != GR_TRACE_NO_DOMAIN && memory->first_node[level][domain] == 0) {
            memory->first_node[level][domain] = (uint32_t)trace->node_count;
        }
    }
    return 0;
}

size_t gr_trace_drop_nodes(struct gr_trace *trace, const bool *gone)
{
    size_t left = 0;
    for (size_t i = 0; i < trace->node_count; i++) {
        if (!gone[i]) {
            trace->nodes[left++] = trace->nodes[i];
        }
    }
    trace->node_count = left;
    return left;
}

int gr_trace_add_job(struct gr_trace *trace, const struct gr_trace_job *job, struct gr_slice name,
                     struct gr_err *err)
{
    struct gr_trace_memory *memory = trace->memory;
    assert(job->tasks >= 1);
    assert(job->models < trace->model_set_count);
    if (trace->job_count == GR_TRACE_JOBS_MAX) {
        return -ERANGE;
    }
    void *jobs = trace->jobs;
    int code = reserve(&jobs, trace->job_count, &memory->job_room, sizeof *trace->jobs, err);
    if (code < 0) {
        return code;
    }
    trace->jobs = jobs;
    const char *copy = "";
    if (name.size > 0) {
        code = gr_names_keep(&memory->job_names, name, &copy, err);
    }
    if (code < 0) {
        return code;
    }
    trace->jobs[trace->job_count] = *job;
    trace->jobs[trace->job_count++].name = copy;
    return 0;
}

uint32_t gr_trace_widest_node(const struct gr_trace *trace, uint32_t models)
{
    assert(models < trace->model_set_count);
    const struct gr_trace_models *set = &trace->model_sets[models];
    uint32_t widest = 0;
    for (size_t i = 0; i < trace->node_count; i++) {
        const struct gr_trace_node *node = &trace->nodes[i];
        if ((set->bits[node->model / 64] >> node->model % 64 & 1) != 0 && node->devices > widest) {
            widest = node->devices;
        }
    }
    return widest;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct gr_trace_node *)a)->name, ((const struct gr_trace_node *)b)->name);
}

int gr_trace_rank_nodes(struct gr_trace *trace, const uint32_t *ranks, struct gr_err *err)
{
    size_t count = trace->node_count;
    struct gr_trace_node *ranked = calloc(count > 0 ? count : 1, sizeof *ranked);
    if (ranked == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the trace");
    }
    qsort(trace->nodes, count, sizeof *trace->nodes, compare_names);
    for (size_t i = 0; i < count; i++) {
        assert(ranks[i] < count);
        assert(ranked[ranks[i]].name == NULL);
        ranked[ranks[i]] = trace->nodes[i];
    }
    free(trace->nodes);
    trace->nodes = ranked;
    trace->memory->node_room = count;
    return 0;
}

// Sort key of an arrival; `job` breaks ties, so that the order is one of the file alone.
struct arrival {
    int64_t submit_ms;
    uint32_t job;
};

static int compare_arrivals(const void *a, const void *b)
{
    const struct arrival *x = a, *y = b;
    if (x->submit_ms != y->submit_ms) {
        return x->submit_ms < y->submit_ms ? -1 : 1;
    }
    return x->job < y->job ? -1 : 1;
}

int gr_trace_order_by_time(struct gr_trace *trace, struct gr_err *err)
{
    size_t count = trace->job_count;
    struct arrival *arrivals = calloc(count > 0 ? count : 1, sizeof *arrivals);
    uint32_t *order = calloc(count > 0 ? count : 1, sizeof *order);
    if (arrivals == NULL || order == NULL) {
        free(arrivals);
        free(order);
        return gr_fail(err, -ENOMEM, "no memory for the trace");
    }
    for (uint32_t i = 0; i < count; i++) {
        arrivals[i] = (struct arrival){trace->jobs[i].submit_ms, i};
    }
    qsort(arrivals, count, sizeof *arrivals, compare_arrivals);
    int64_t first_ms = count > 0 ? arrivals[0].submit_ms : 0;
    for (size_t i = 0; i < count; i++) {
        order[i] = arrivals[i].job;
        trace->jobs[order[i]].submit_ms -= first_ms;
    }
    free(arrivals);
    free(trace->order);
    trace->order = order;
    trace->order_count = count;
    return 0;
}

int gr_trace_set_order(struct gr_trace *trace, const uint32_t *order, size_t count,
                       struct gr_err *err)
{
    uint32_t *copy = calloc(count > 0 ? count : 1, sizeof *copy);
    if (copy == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the trace");
    }
    for (size_t i = 0; i < count; i++) {
        assert(order[i] < trace->job_count);
        copy[i] = order[i];
    }
    free(trace->order);
    trace->order = copy;
    trace->order_count = count;
    return 0;
}
