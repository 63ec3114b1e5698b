// Who holds what of a node: see tenants.h. The links of first pieces lie where a waiting job has
// its place in the lane: a job that holds something waits no more.
#include "core/tenants.h"

#include "core/part.h"
#include "core/queue.h"

#define NONE UINT32_MAX

// A further piece's place in the list of its node.
struct more_tenant {
    uint32_t next, prev;
    uint32_t slot; // of the job
};

static struct more_tenant *more_at(const struct gr_core *core, uint32_t row)
{
    return (struct more_tenant *)gr_core_at(core, core->more_tenants_at) + row;
}

// The first tenant of a node plus 1; 0: none, as in memory that was never written.
static uint32_t *head_at(const struct gr_core *core, uint32_t node)
{
    return (uint32_t *)gr_core_at(core, core->tenants_at) + node;
}

static uint32_t *next_of(const struct gr_core *core, uint32_t tenant)
{
    uint32_t jobs = core->limits.jobs;
    return tenant < jobs ? &gr_waits_at(core, tenant)->next : &more_at(core, tenant - jobs)->next;
}

static uint32_t *prev_of(const struct gr_core *core, uint32_t tenant)
{
    uint32_t jobs = core->limits.jobs;
    return tenant < jobs ? &gr_waits_at(core, tenant)->prev : &more_at(core, tenant - jobs)->prev;
}

static void link_in(struct gr_core *core, uint32_t tenant, uint32_t node)
{
    uint32_t *head = head_at(core, node);
    uint32_t next = *head - 1; // NONE if there is none
    *next_of(core, tenant) = next;
    *prev_of(core, tenant) = NONE;
    if (next != NONE) {
        *prev_of(core, next) = tenant;
    }
    *head = tenant + 1;
}

static void link_out(struct gr_core *core, uint32_t tenant, uint32_t node)
{
    uint32_t *next = next_of(core, tenant), *prev = prev_of(core, tenant);
    if (*prev == NONE) {
        assert(*head_at(core, node) == tenant + 1);
        *head_at(core, node) = *next + 1;
    } else {
        *next_of(core, *prev) = *next;
    }
    if (*next != NONE) {
        *prev_of(core, *next) = *prev;
    }
    *next = *prev = NONE;
}

void gr_tenant_comes(struct gr_core *core, uint32_t tenant)
{
    uint32_t node = gr_tenant_piece(core, tenant)->node;
    if (node != GR_NODE_MISSING) {
        link_in(core, tenant, node);
    }
}

void gr_tenant_goes(struct gr_core *core, uint32_t tenant)
{
    uint32_t node = gr_tenant_piece(core, tenant)->node;
    if (node != GR_NODE_MISSING) {
        link_out(core, tenant, node);
    }
}

void gr_tenants_add(struct gr_core *core, uint32_t slot)
{
    const struct gr_allocation *allocation = gr_allocation_at(core, slot);
    gr_tenant_comes(core, slot);
    for (uint32_t m = allocation->more; m != NONE; m = gr_more_at(core, m)->next) {
        more_at(core, m)->slot = slot;
        gr_tenant_comes(core, core->limits.jobs + m);
    }
}

void gr_tenants_remove(struct gr_core *core, uint32_t slot)
{
    const struct gr_allocation *allocation = gr_allocation_at(core, slot);
    gr_tenant_goes(core, slot);
    for (uint32_t m = allocation->more; m != NONE; m = gr_more_at(core, m)->next) {
        gr_tenant_goes(core, core->limits.jobs + m);
    }
}

uint32_t gr_tenants_first(const struct gr_core *core, uint32_t node)
{
    assert(node < gr_place_node_count(gr_pool(core)));
    return *head_at(core, node) - 1;
}

uint32_t gr_tenants_next(const struct gr_core *core, uint32_t tenant)
{
    return *next_of(core, tenant);
}

uint32_t gr_tenant_slot(const struct gr_core *core, uint32_t tenant)
{
    uint32_t jobs = core->limits.jobs;
    return tenant < jobs ? tenant : more_at(core, tenant - jobs)->slot;
}

const struct gr_piece *gr_tenant_piece(const struct gr_core *core, uint32_t tenant)
{
    uint32_t jobs = core->limits.jobs;
    return tenant < jobs ? &gr_allocation_at(core, tenant)->piece
                         : &gr_more_at(core, tenant - jobs)->piece;
}

void gr_tenant_give(const struct gr_core *core, uint32_t tenant, struct gr_node *row)
{
    struct gr_piece piece = *gr_tenant_piece(core, tenant);
    unsigned out = gr_place_cold_get(gr_pool(core), piece.node)->out;
    piece.devices = (uint16_t)(piece.devices & ~out);
    gr_node_give(row, &piece);
}

void gr_stopping_add(struct gr_core *core, uint32_t slot)
{
    struct gr_waits *waits = gr_waits_at(core, slot);
    waits->stopping_next = core->stopping_first;
    waits->stopping_prev = 0;
    if (core->stopping_first != 0) {
        gr_waits_at(core, core->stopping_first - 1)->stopping_prev = slot + 1;
    }
    core->stopping_first = slot + 1;
}

void gr_stopping_remove(struct gr_core *core, uint32_t slot)
{
    struct gr_waits *waits = gr_waits_at(core, slot);
    *(waits->stopping_prev == 0 ? &core->stopping_first
                                : &gr_waits_at(core, waits->stopping_prev - 1)->stopping_next) =
        waits->stopping_next;
    if (waits->stopping_next != 0) {
        gr_waits_at(core, waits->stopping_next - 1)->stopping_prev = waits->stopping_prev;
    }
    waits->stopping_next = waits->stopping_prev = 0;
}

void gr_tenants_rebuild(struct gr_core *core)
{
    core->stopping_first = 0;
    for (uint32_t s = 0; s < core->job_top; s++) {
        if (gr_job_at(core, s)->state == GR_JOB_RUNNING) {
            gr_tenants_add(core, s);
            if (gr_job_at(core, s)->stop_why != GR_STOP_NOT) {
                gr_stopping_add(core, s);
            }
        }
    }
}

const char *gr_tenants_audit(const struct gr_core *core)
{
    uint64_t pieces = 0, seen = 0;
    uint32_t stopping = 0;
    for (uint32_t s = core->stopping_first; s != 0 && stopping <= core->running; stopping++) {
        s = gr_waits_at(core, s - 1)->stopping_next;
    }
    for (uint32_t s = 0; s < core->job_top; s++) {
        stopping -= gr_job_at(core, s)->stop_why != GR_STOP_NOT;
        pieces += gr_job_at(core, s)->state == GR_JOB_RUNNING
                      ? gr_allocation_at(core, s)->piece_count - gr_part_missing(core, s)
                      : 0;
    }
    for (uint32_t n = 0; n < gr_place_node_count(gr_pool(core)); n++) {
        uint32_t prev = NONE;
        for (uint32_t t = gr_tenants_first(core, n); t != NONE; t = gr_tenants_next(core, t)) {
            if (t >= core->limits.jobs + (uint64_t)core->more_top || ++seen > pieces ||
                *prev_of(core, t) != prev || gr_tenant_piece(core, t)->node != n ||
                gr_job_at(core, gr_tenant_slot(core, t))->state != GR_JOB_RUNNING) {
                return "a node's list of who holds it is broken";
            }
            prev = t;
        }
    }
    return seen != pieces  ? "a node's list of who holds it misses somebody"
           : stopping != 0 ? "jobs that were asked to stop are miscounted"
                           : NULL;
}

uint64_t gr_tenants_more_bytes(const struct gr_core_limits *limits)
{
    return (uint64_t)limits->pieces * sizeof(struct more_tenant);
}
