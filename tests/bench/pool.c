// The big pool: see pool.h. Everything is drawn from one seed.
#include "pool.h"

#include "base/rng.h"
#include "replay/mix.h"
#include "replay/openb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SITES 6
#define KINDS 8
#define RACK 16
#define DEVICES 8

// Cpu and memory of the nodes of each kind: servers of 8 accelerators as they are sold, 128 to 192
// cores.
static const struct {
    const char *variant;
    uint32_t cpu_milli, memory_mib;
} kinds[KINDS] = {
    {"kind-a", 128000, 1048576}, {"kind-b", 192000, 2097152}, {"kind-c", 160000, 1048576},
    {"kind-d", 192000, 1572864}, {"kind-e", 128000, 1048576}, {"kind-f", 192000, 2097152},
    {"kind-g", 128000, 786432},  {"kind-h", 160000, 1572864},
};

uint64_t gr_crowd_draw(struct gr_crowd *crowd, uint64_t limit)
{
    uint64_t z = gr_rng_next(&crowd->random);
    return (uint64_t)(((unsigned __int128)z * limit) >> 64);
}

static void fact(struct gr_crowd *crowd, const struct gr_event *event)
{
    enum gr_refusal refusal = gr_core_check(crowd->core, event);
    if (refusal != GR_REFUSED_NOTHING) {
        fprintf(stderr, "refused: %s\n", gr_refusal_text(refusal));
        abort();
    }
    (void)gr_core_apply(crowd->core, event, NULL);
}

static uint32_t rack_size(const struct gr_crowd_config *config)
{
    return config->rack == 0 ? RACK : config->rack;
}

static void fleet_build(struct gr_crowd *crowd, uint32_t nodes, uint32_t rack_nodes)
{
    struct gr_event event = gr_decide_fact(crowd->core, 0, GR_ORG_ADDED);
    event.org.parent = UINT32_MAX;
    strcpy(event.org.name, "owner");
    fact(crowd, &event);
    for (unsigned s = 0; s < SITES; s++) {
        event = gr_decide_fact(crowd->core, 0, GR_SITE_ADDED);
        (void)snprintf(event.site.name, sizeof event.site.name, "site-%u", s);
        fact(crowd, &event);
    }
    for (unsigned k = 0; k < KINDS; k++) {
        event = gr_decide_fact(crowd->core, 0, GR_VARIANT_ADDED);
        (void)snprintf(event.variant, sizeof event.variant, "%s", kinds[k].variant);
        fact(crowd, &event);
    }
    for (uint32_t n = 0; n < nodes; n++) {
        uint32_t rack = n / rack_nodes;
        unsigned kind = rack * 7 % KINDS, site = rack * 5 / 3 % SITES;
        event = gr_decide_fact(crowd->core, 0, GR_NODE_ADDED);
        struct gr_node *row = &event.node.row;
        *row =
            (struct gr_node){.cpu_milli = kinds[kind].cpu_milli,
                             .memory_mib = kinds[kind].memory_mib,
                             .domain = {GR_DOMAIN_NONE, rack, GR_DOMAIN_INNER | 4, GR_DOMAIN_NONE},
                             .variant = (uint8_t)kind,
                             .site = (uint8_t)site,
                             .devices = DEVICES};
        for (unsigned i = 0; i < DEVICES; i++) {
            row->free[i] = GR_DEVICE_MILLI;
        }
        (void)snprintf(event.node.name, sizeof event.node.name, "node-%u", n);
        fact(crowd, &event);
    }
    crowd->capacity_milli = (uint64_t)nodes * DEVICES * GR_DEVICE_MILLI;
}

static int mix_build(struct gr_crowd *crowd, struct gr_err *err)
{
    struct gr_openb openb;
    struct gr_trace trace;
    size_t distinct;
    uint16_t masks[GR_POOL_VARIANTS_MAX] = {0}; // any kind, whatever the trace asked for
    int rc = gr_openb_open(GR_SOURCE_ROOT "/tests/data/openb", &openb, err);
    if (rc != 0) {
        return rc;
    }
    rc = gr_openb_read_run(&openb, 0, &trace, err);
    gr_openb_close(&openb);
    if (rc != 0) {
        return rc;
    }
    rc = gr_mix_collect(&trace, masks, &crowd->mix, &crowd->mix_count, &distinct, err);
    gr_trace_done(&trace);
    if (rc != 0) {
        return rc;
    }
    crowd->upto = calloc(crowd->mix_count, sizeof *crowd->upto);
    if (crowd->upto == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the mix");
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < crowd->mix_count; i++) {
        crowd->upto[i] = sum += crowd->mix[i].count;
    }
    static struct gr_mask any;
    gr_mask_fill(&any);
    struct gr_event event = gr_decide_fact(crowd->core, 0, GR_MASK_ADDED);
    event.mask = &any;
    fact(crowd, &event);
    event = gr_decide_fact(crowd->core, 0, GR_MIX_SET);
    event.items = crowd->mix;
    event.item_count = (uint32_t)crowd->mix_count;
    fact(crowd, &event);
    return 0;
}

struct gr_core_config gr_crowd_core(const struct gr_crowd_config *config)
{
    return (struct gr_core_config){
        .limits =
            {.place = {.nodes = config->nodes,
                       .masks = 16,
                       .slots = config->slots == 0 ? 160 : config->slots,
                       .domains = {0, (config->nodes + rack_size(config) - 1) / rack_size(config),
                                   0, 0}},
             .jobs = config->jobs,
             .pieces = config->pieces,
             .orgs = config->orgs == 0 ? 128 : config->orgs,
             .sites = SITES,
             .variants = KINDS,
             .users = config->orgs == 0 ? 128 : config->orgs,
             .arrays = 16,
             .edges = 16,
             .keys = 16,
             .keys_per_org = 16},
        .policy = config->policy,
        .order = config->order,
        .touch_jobs = config->jobs,
        .touch_pieces = config->pieces,
        .touch_nodes = config->nodes,
    };
}

int gr_crowd_begin(const struct gr_crowd_config *config, struct gr_crowd *ret_crowd,
                   struct gr_err *err)
{
    struct gr_crowd crowd = {.random = 42, .live_max = config->jobs};
    struct gr_core_config core = gr_crowd_core(config);
    int rc = gr_core_new(&core, &crowd.core, err);
    if (rc != 0) {
        return rc;
    }
    fleet_build(&crowd, config->nodes, rack_size(config));
    rc = mix_build(&crowd, err);
    crowd.live = calloc(crowd.live_max, sizeof *crowd.live);
    crowd.pieces = calloc(GR_TASKS_MAX, sizeof *crowd.pieces);
    if (rc == 0 && (crowd.live == NULL || crowd.pieces == NULL)) {
        rc = gr_fail(err, -ENOMEM, "no memory for the live jobs");
    }
    if (rc != 0) {
        gr_crowd_end(&crowd);
        return rc;
    }
    *ret_crowd = crowd;
    return 0;
}

void gr_crowd_end(struct gr_crowd *crowd)
{
    gr_core_free(crowd->core);
    free(crowd->mix);
    free(crowd->upto);
    free(crowd->live);
    free(crowd->pieces);
    *crowd = (struct gr_crowd){0};
}

// A binary search in the running sums.
const struct gr_shape *gr_crowd_shape(struct gr_crowd *crowd)
{
    uint64_t at = gr_crowd_draw(crowd, crowd->upto[crowd->mix_count - 1]);
    size_t low = 0, high = crowd->mix_count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (crowd->upto[middle] > at) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return &crowd->mix[low].shape;
}

bool gr_crowd_place(struct gr_crowd *crowd)
{
    static struct gr_submission submission;
    struct gr_event facts[2];
    unsigned count;
    submission.demand = (struct gr_demand){.shape = *gr_crowd_shape(crowd), .tasks = 1};
    submission.user = UINT32_MAX;
    gr_mask_fill(&submission.mask);
    enum gr_refusal refusal =
        gr_decide_submit(crowd->core, NULL, ++crowd->now_ms, &submission, facts, &count);
    if (refusal != GR_REFUSED_NOTHING || count != 1) {
        fprintf(stderr, "submission refused: %s\n", gr_refusal_text(refusal));
        abort();
    }
    fact(crowd, &facts[0]);
    uint64_t job = facts[0].sequence;
    refusal = gr_decide_start_job(crowd->core, NULL, crowd->now_ms, job, crowd->pieces, &facts[1]);
    if (refusal != GR_REFUSED_NOTHING) {
        facts[1] = gr_decide_drop(crowd->core, crowd->now_ms, job, refusal);
        fact(crowd, &facts[1]);
        crowd->failures++;
        return false;
    }
    fact(crowd, &facts[1]);
    if (crowd->live_count == crowd->live_max) {
        fprintf(stderr, "more live jobs than expected\n");
        abort();
    }
    crowd->live[crowd->live_count++] = job;
    return true;
}

void gr_crowd_release(struct gr_crowd *crowd, size_t index)
{
    crowd->now_ms++;
    struct gr_ending ending = {.outcome = GR_OUTCOME_DONE};
    struct gr_event event =
        gr_decide_end(crowd->core, crowd->now_ms, crowd->now_ms, crowd->live[index], &ending);
    fact(crowd, &event);
    crowd->live[index] = crowd->live[--crowd->live_count];
}

void gr_crowd_next_draw(struct gr_crowd *crowd)
{
    crowd->next = gr_crowd_draw(crowd, crowd->live_count);
    __builtin_prefetch(&crowd->live[crowd->next]);
}

size_t gr_crowd_next(struct gr_crowd *crowd)
{
    if (crowd->next >= crowd->live_count) {
        gr_crowd_next_draw(crowd);
    }
    return crowd->next;
}

double gr_crowd_used_percent(const struct gr_crowd *crowd)
{
    return 100.0 * (double)gr_core_used_milli(crowd->core) / (double)crowd->capacity_milli;
}

void gr_crowd_fill(struct gr_crowd *crowd, double percent)
{
    unsigned in_vain = 0;
    while (gr_crowd_used_percent(crowd) < percent && in_vain < 1000) {
        in_vain = gr_crowd_place(crowd) ? 0 : in_vain + 1;
    }
}

// Tries after one release, at most: arrivals beyond room are lost, and work ends all the same.
#define TRIES 4

void gr_crowd_churn(struct gr_crowd *crowd, uint64_t pairs, double percent)
{
    uint64_t most = (uint64_t)((double)crowd->capacity_milli * percent / 100);
    for (uint64_t i = 0; i < pairs; i++) {
        size_t leaving = gr_crowd_next(crowd);
        gr_crowd_release(crowd, leaving);
        gr_crowd_next_draw(crowd);
        for (unsigned t = 0; t < TRIES && gr_core_used_milli(crowd->core) < most; t++) {
            (void)gr_crowd_place(crowd);
        }
    }
}

// --- node classes

struct class
{
    uint16_t free[GR_NODE_DEVICES_MAX];
    uint32_t cpu_milli, memory_mib;
    uint16_t variant, site;
};

static int free_compare(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static int class_compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct class));
}

long gr_crowd_classes(const struct gr_crowd *crowd)
{
    const struct gr_place *place = gr_core_place(crowd->core);
    uint32_t nodes = gr_place_node_count(place);
    struct class *classes = calloc(nodes, sizeof *classes);
    if (classes == NULL) {
        return -1;
    }
    for (uint32_t n = 0; n < nodes; n++) {
        const struct gr_node *node = gr_place_node_get(place, n);
        memcpy(classes[n].free, node->free, sizeof node->free);
        qsort(classes[n].free, GR_NODE_DEVICES_MAX, sizeof(uint16_t), free_compare);
        classes[n].cpu_milli = node->cpu_milli;
        classes[n].memory_mib = node->memory_mib;
        classes[n].variant = node->variant;
        classes[n].site = node->site;
    }
    qsort(classes, nodes, sizeof *classes, class_compare);
    long distinct = 0;
    for (uint32_t n = 0; n < nodes; n++) {
        distinct += n == 0 || class_compare(&classes[n], &classes[n - 1]) != 0;
    }
    free(classes);
    return distinct;
}
