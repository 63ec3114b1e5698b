// Facts that come soon: their rows are asked for from memory before they are applied, a step deeper
// for all of them at a time, so that the waits overlap. See gr_core_soon.
#include "core/state.h"

#define NONE UINT32_MAX
// Facts that are looked at together.
#define GROUP 64

// The job that a fact is about, or 0.
static uint64_t job_of(const struct gr_event *event)
{
    switch ((enum gr_event_type)event->type) {
    case GR_JOB_PLACED:
        return event->placed.job;
    case GR_JOB_FINISHED:
        return event->finished.job;
    case GR_JOB_DROPPED:
        return event->dropped.job;
    case GR_JOB_STARTED:
        return event->started.job;
    case GR_JOB_REQUEUED:
        return event->requeued.job;
    case GR_STOP_ASKED:
        return event->stop_asked.job;
    case GR_CHECKPOINTED:
        return event->checkpointed.job;
    case GR_PART_LOST:
        return event->part_lost.job;
    case GR_PART_PLACED:
        return event->part_placed.job;
    case GR_JOB_SUBMITTED:
        return event->sequence; // where its index entry will be
    case GR_ORG_ADDED:
    case GR_SITE_ADDED:
    case GR_VARIANT_ADDED:
    case GR_MASK_ADDED:
    case GR_NODE_ADDED:
    case GR_NODE_STATE_SET:
    case GR_MIX_SET:
    case GR_ROOM_RESERVED:
    case GR_ROOM_HELD:
    case GR_ROOM_FREED:
    case GR_USER_ADDED:
    case GR_EPOCH_BEGUN:
    case GR_DEVICES_SET:
    case GR_KEY_USED:
    case GR_QUOTA_SET:
    case GR_ORG_TERMS_SET:
    case GR_QUEUE_TERMS_SET:
    case GR_PREFERENCE_SET:
    case GR_CLASS_SET:
    case GR_WINDOW_SET:
    case GR_WINDOW_OPENED:
    case GR_WINDOW_CLOSED:
    case GR_WINDOW_ENDED:
        break;
    }
    return 0;
}

static void node_soon(const struct gr_core *core, uint32_t node)
{
    const struct gr_place *place = gr_pool(core);
    if (node < gr_place_node_count(place)) {
        __builtin_prefetch(gr_place_node_get(place, node), 1);
        __builtin_prefetch(gr_place_cold_get(place, node), 1);
    }
}

// The slot that the index names for an id, if it is there; the job's own row is not looked at.
static uint32_t slot_maybe(const struct gr_core *core, uint64_t job)
{
    struct gr_ids ids = {gr_core_at(core, core->index_at), core->index_size};
    uint32_t at = gr_ids_home(ids, (uint32_t)job);
    return gr_ids_next(ids, (uint32_t)job, &at);
}

static void group_soon(const struct gr_core *core, const struct gr_event *events, uint32_t count)
{
    struct gr_ids ids = {gr_core_at(core, core->index_at), core->index_size};
    uint32_t slots[GROUP];
    for (uint32_t i = 0; i < count; i++) {
        uint64_t job = job_of(&events[i]);
        slots[i] = NONE;
        __builtin_prefetch(&ids.entries[gr_ids_home(ids, (uint32_t)job)], 1);
        if (events[i].type == GR_JOB_PLACED && events[i].piece_count > 0) {
            node_soon(core, events[i].pieces[0].node);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t job = job_of(&events[i]);
        slots[i] = job == 0 || events[i].type == GR_JOB_SUBMITTED ? NONE : slot_maybe(core, job);
        if (slots[i] != NONE) {
            __builtin_prefetch(gr_job_at(core, slots[i]), 1);
            __builtin_prefetch((const char *)gr_job_at(core, slots[i]) + 64, 1);
            __builtin_prefetch(gr_allocation_at(core, slots[i]), 1);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        bool ends = events[i].type == GR_JOB_FINISHED || events[i].type == GR_JOB_REQUEUED;
        if (ends && slots[i] != NONE) {
            node_soon(core, gr_allocation_at(core, slots[i])->piece.node);
        }
    }
}

void gr_core_soon(const struct gr_core *core, const struct gr_event *events, uint32_t count)
{
    assert(core != NULL && (events != NULL || count == 0));
    for (uint32_t i = 0; i < count; i += GROUP) {
        group_soon(core, events + i, count - i < GROUP ? count - i : GROUP);
    }
}
