// What is there: questions about the state. Pure.
#include "core/state.h"

#include <string.h>

#define NONE UINT32_MAX

uint64_t gr_core_next_sequence(const struct gr_core *core)
{
    return core->sequence + 1;
}

int64_t gr_core_now(const struct gr_core *core)
{
    return core->now_ms;
}

const struct gr_place *gr_core_place(const struct gr_core *core)
{
    return gr_pool(core);
}

struct gr_place *gr_core_place_refresh(struct gr_core *core)
{
    return gr_pool(core);
}

const struct gr_job *gr_core_job_find(const struct gr_core *core, uint64_t job)
{
    uint32_t slot = gr_core_job_slot(core, job);
    return slot == NONE ? NULL : gr_job_at(core, slot);
}

const struct gr_job *gr_core_job_next(const struct gr_core *core, uint32_t *cursor)
{
    assert(core != NULL && cursor != NULL);
    while (*cursor < core->job_top) {
        const struct gr_job *job = gr_job_at(core, (*cursor)++);
        if (job->state != 0) {
            return job;
        }
    }
    return NULL;
}

void gr_core_job_more(const struct gr_core *core, uint64_t job, struct gr_job_more *ret_more)
{
    uint32_t slot = gr_core_job_slot(core, job);
    assert(slot != NONE);
    *ret_more = (struct gr_job_more){0};
    if (gr_job_at(core, slot)->is_linked) {
        const struct gr_links *links = gr_links_at(core, slot);
        ret_more->array = links->array == NONE ? 0 : gr_array_at(core, links->array)->id;
        ret_more->array_index = links->array_index;
        ret_more->pending = links->pending;
        ret_more->edge_count = gr_core_job_edges(core, job, NULL, 0);
        ret_more->is_doomed = (links->flags & GR_LINKS_DOOMED) != 0;
    }
}

uint32_t gr_core_job_edges(const struct gr_core *core, uint64_t job, struct gr_edge *ret_edges,
                           uint32_t most)
{
    uint32_t slot = gr_core_job_slot(core, job);
    assert(slot != NONE);
    uint32_t count = 0;
    uint32_t row = gr_job_at(core, slot)->is_linked ? gr_links_at(core, slot)->edges : NONE;
    for (; row != NONE; row = gr_edge_at(core, row)->next_own) {
        if (count < most) {
            ret_edges[count] = (struct gr_edge){.job = gr_edge_at(core, row)->job,
                                                .how = gr_edge_at(core, row)->how};
        }
        count++;
    }
    return count;
}

bool gr_core_array_is_live(const struct gr_core *core, uint64_t array)
{
    assert(core != NULL);
    return gr_links_array(core, array) != NONE;
}

uint32_t gr_core_held(const struct gr_core *core)
{
    return core->held;
}

uint32_t gr_core_edges(const struct gr_core *core)
{
    return core->edge_used;
}

uint32_t gr_core_org_jobs(const struct gr_core *core, uint32_t org)
{
    return org < core->org_count ? gr_org_use_at(core, org)->jobs : 0;
}

uint32_t gr_core_waiting(const struct gr_core *core)
{
    return core->waiting;
}

uint32_t gr_core_running(const struct gr_core *core)
{
    return core->running;
}

uint64_t gr_core_waiting_next(const struct gr_core *core, uint64_t job)
{
    uint32_t slot =
        job == 0 ? gr_jobs_first(core) : gr_jobs_after(core, gr_core_job_slot(core, job));
    return slot == NONE ? 0 : gr_job_at(core, slot)->id;
}

struct copying {
    struct gr_piece *pieces;
    uint32_t count, most;
};

static void piece_copy(void *context, const struct gr_piece *piece)
{
    struct copying *copying = context;
    if (copying->count < copying->most) {
        copying->pieces[copying->count] = *piece;
    }
    copying->count++;
}

uint32_t gr_core_job_pieces(const struct gr_core *core, uint64_t job, struct gr_piece *ret_pieces,
                            uint32_t most)
{
    uint32_t slot = gr_core_job_slot(core, job);
    assert(slot != NONE && gr_job_at(core, slot)->state == GR_JOB_RUNNING);
    struct copying copying = {.pieces = ret_pieces, .most = most};
    gr_jobs_pieces(core, gr_allocation_at(core, slot), piece_copy, &copying);
    return copying.count;
}

uint64_t gr_core_used_milli(const struct gr_core *core)
{
    return core->used_milli;
}

struct gr_device_time gr_core_device_time(const struct gr_core *core)
{
    return core->time;
}

const struct gr_org *gr_core_org_get(const struct gr_core *core, uint32_t index)
{
    return index < core->org_count ? (struct gr_org *)gr_core_at(core, core->orgs_at) + index
                                   : NULL;
}

const struct gr_site *gr_core_site_get(const struct gr_core *core, uint32_t index)
{
    return index < core->site_count ? (struct gr_site *)gr_core_at(core, core->sites_at) + index
                                    : NULL;
}

const char *gr_core_variant_get(const struct gr_core *core, uint32_t index)
{
    return index < core->variant_count
               ? (char *)gr_core_at(core, core->variants_at) + (uint64_t)index * GR_NAME_SIZE
               : NULL;
}

const struct gr_user *gr_core_user_get(const struct gr_core *core, uint32_t index)
{
    return index < core->user_count ? gr_user_at(core, index) : NULL;
}

uint32_t gr_core_org_count(const struct gr_core *core)
{
    return core->org_count;
}

uint32_t gr_core_site_count(const struct gr_core *core)
{
    return core->site_count;
}

uint32_t gr_core_variant_count(const struct gr_core *core)
{
    return core->variant_count;
}

uint32_t gr_core_user_count(const struct gr_core *core)
{
    return core->user_count;
}

uint32_t gr_core_epoch(const struct gr_core *core)
{
    return core->epoch;
}

uint8_t gr_core_device_health(const struct gr_core *core, uint32_t node, uint32_t device)
{
    assert(node < gr_place_node_count(gr_pool(core)) && device < GR_NODE_DEVICES_MAX);
    return gr_health_at(core, node)[device];
}
