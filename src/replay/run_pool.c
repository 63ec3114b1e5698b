// The pool of a replay: the core's limits, and the facts that make its nodes. See run_parts.h.
#include "replay/mix.h"
#include "replay/run_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What the core calls a node's model where the file leaves it blank (no devices).
#define NO_MODEL "none"

// Slots of the candidate index come in these steps, within these bounds.
#define SLOT_STEP 32
#define SLOTS_MAX 512

// Allocations of more than one piece hold at most this many pieces.
#define PIECES_MAX 16777216

// Users and different demands with live jobs, at most.
#define ROWS_MAX 262144

// The number of different shapes, as far as it matters for the slots.
static size_t count_shapes(const struct gr_run *run)
{
    struct gr_mix_item *items = NULL;
    size_t count = 0, distinct = SLOTS_MAX;
    uint16_t *masks = calloc(run->trace->model_set_count, sizeof *masks);
    if (masks != NULL) {
        for (size_t i = 0; i < run->trace->model_set_count; i++) {
            masks[i] = (uint16_t)i;
        }
        (void)gr_mix_collect(run->trace, masks, &items, &count, &distinct, NULL);
    }
    free(items);
    free(masks);
    return distinct;
}

// Pieces that gangs can hold at once.
static uint32_t count_pieces(const struct gr_trace *trace)
{
    uint64_t pieces = 0;
    for (size_t i = 0; i < trace->order_count; i++) {
        uint32_t tasks = trace->jobs[trace->order[i]].tasks;
        pieces += tasks > 1 ? tasks : 0;
    }
    return pieces < PIECES_MAX ? (uint32_t)pieces : PIECES_MAX;
}

static uint32_t rows(size_t count)
{
    return count < ROWS_MAX ? (uint32_t)count + 1 : ROWS_MAX;
}

void gr_run_core_config(const struct gr_run *run, struct gr_core_config *ret_config)
{
    const struct gr_trace *trace = run->trace;
    size_t slots = count_shapes(run);
    slots = slots < SLOTS_MAX ? (slots + SLOT_STEP - 1) / SLOT_STEP * SLOT_STEP : SLOTS_MAX;
    *ret_config = (struct gr_core_config){
        .limits =
            {
                .place = {.nodes = (uint32_t)trace->node_count,
                          .masks = (uint32_t)trace->model_set_count,
                          .slots = (uint32_t)slots},
                .jobs = (uint32_t)(trace->order_count > 0 ? trace->order_count : 1),
                .pieces = count_pieces(trace),
                .orgs = run->owners == NULL ? 1 : (uint32_t)trace->queue_count,
                .users = (uint32_t)run->owner_count,
                .queues = rows(run->owner_count),
                .needs = rows(trace->order_count),
                .sites = (uint32_t)trace->site_count,
                .variants = (uint32_t)trace->model_count,
            },
        .policy = run->config->policy,
        .seed = run->config->seed,
        .order = run->config->order,
        .learn_mix = run->config->learn_mix,
    };
    for (unsigned level = 0; level < GR_DOMAIN_LEVELS; level++) {
        ret_config->limits.place.domains[level] = (uint32_t)trace->domain_count[level];
    }
}

static int add_names(struct gr_run *run, struct gr_err *err)
{
    struct gr_event event = gr_decide_fact(run->core, 0, GR_ORG_ADDED);
    event.org = (struct gr_org){.parent = UINT32_MAX, .role = GR_ROLE_OWNER, .name = "trace"};
    int code = gr_run_fact(run, &event, err);
    for (size_t i = 0; code == 0 && i < run->trace->site_count; i++) {
        event = gr_decide_fact(run->core, 0, GR_SITE_ADDED);
        event.site = (struct gr_site){.owner = 0};
        snprintf(event.site.name, sizeof event.site.name, "%s", run->trace->sites[i]);
        code = gr_run_fact(run, &event, err);
    }
    for (size_t i = 0; code == 0 && i < run->trace->model_count; i++) {
        const char *model = run->trace->models[i];
        event = gr_decide_fact(run->core, 0, GR_VARIANT_ADDED);
        memset(event.variant, 0, sizeof event.variant);
        snprintf(event.variant, sizeof event.variant, "%s", model[0] != '\0' ? model : NO_MODEL);
        code = gr_run_fact(run, &event, err);
    }
    return code;
}

// One mask a set of models, for all sites; the core numbers them.
static int add_masks(struct gr_run *run, struct gr_err *err)
{
    for (size_t i = 0; i < run->trace->model_set_count; i++) {
        struct gr_mask mask;
        gr_mask_fill(&mask);
        gr_mask_keep_variants(&mask, run->trace->model_sets[i].bits);
        run->masks[i] = (uint16_t)gr_place_mask_count(gr_core_place(run->core));
        struct gr_event event = gr_decide_fact(run->core, 0, GR_MASK_ADDED);
        event.mask = &mask;
        int code = gr_run_fact(run, &event, err);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

static int add_node(struct gr_run *run, const struct gr_trace_node *node, struct gr_err *err)
{
    struct gr_event event = gr_decide_fact(run->core, 0, GR_NODE_ADDED);
    event.node.row = (struct gr_node){.cpu_milli = node->cpu_milli,
                                      .memory_mib = node->memory_mib,
                                      .variant = (uint8_t)node->model,
                                      .site = (uint8_t)node->site,
                                      .devices = (uint8_t)node->devices};
    for (uint32_t i = 0; i < node->devices; i++) {
        event.node.row.free[i] = GR_DEVICE_MILLI;
    }
    for (unsigned level = 0; level < GR_DOMAIN_LEVELS; level++) {
        event.node.row.domain[level] = node->domain[level];
    }
    static_assert(GR_TRACE_NO_DOMAIN == GR_DOMAIN_NONE, "no translation needed");
    gr_node_summarise(&event.node.row);
    memset(event.node.name, 0, sizeof event.node.name);
    snprintf(event.node.name, sizeof event.node.name, "%s", node->name);
    return gr_run_fact(run, &event, err);
}

static int set_mix(struct gr_run *run, struct gr_err *err)
{
    struct gr_mix_item *items = NULL;
    size_t count = 0, distinct = 0;
    int code = gr_mix_collect(run->trace, run->masks, &items, &count, &distinct, err);
    if (code < 0) {
        return code;
    }
    struct gr_event event = gr_decide_fact(run->core, 0, GR_MIX_SET);
    event.items = items;
    event.item_count = (uint32_t)count;
    code = gr_run_fact(run, &event, err);
    free(items);
    return code;
}

int gr_run_set_up(struct gr_run *run, struct gr_err *err)
{
    struct gr_core_config config;
    int code = gr_run_owners_find(run, err);
    if (code < 0) {
        return code;
    }
    gr_run_core_config(run, &config);
    code = gr_core_new(&config, &run->core, err);
    if (code < 0) {
        return code;
    }
    run->masks = calloc(run->trace->model_set_count, sizeof *run->masks);
    run->pieces = calloc(GR_TASKS_MAX, sizeof *run->pieces);
    if (run->masks == NULL || run->pieces == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the replay");
    }
    code = add_names(run, err);
    if (code == 0) {
        code = gr_run_owners_add(run, err);
    }
    if (code == 0) {
        code = add_masks(run, err);
    }
    for (size_t i = 0; code == 0 && i < run->trace->node_count; i++) {
        code = add_node(run, &run->trace->nodes[i], err);
    }
    if (code == 0) {
        code = gr_run_terms_set(run, err);
    }
    if (code == 0 && !run->config->learn_mix) {
        code = set_mix(run, err);
    }
    return code;
}
