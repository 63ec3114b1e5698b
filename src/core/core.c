// What facts do to the state: see core.h. gr_core_apply cannot fail and asks nobody.
#include "core/core.h"

#include "base/hash.h"
#include "core/part.h"
#include "core/prefer.h"
#include "core/queue.h"
#include "core/reclaim.h"
#include "core/state.h"
#include "core/tenants.h"
#include "core/window_parts.h"

#include <string.h>

// What passes in each state while `passed` milliseconds go by and nothing happens.
static struct gr_device_time time_passed(const struct gr_core *core, unsigned __int128 passed)
{
    struct gr_place_totals totals = gr_place_totals_get(gr_pool(core));
    uint64_t held_broken =
        core->broken_milli - totals.free_milli[GR_NODE_BROKEN] - totals.withheld_milli;
    return (struct gr_device_time){.used = (core->used_milli - held_broken) * passed,
                                   .idle = totals.free_milli[GR_NODE_UP] * passed,
                                   .maintenance = totals.free_milli[GR_NODE_DRAINED] * passed,
                                   .broken = core->broken_milli * passed};
}

static void time_add(struct gr_device_time *time, const struct gr_device_time *more)
{
    time->used += more->used;
    time->idle += more->idle;
    time->maintenance += more->maintenance;
    time->broken += more->broken;
}

struct gr_device_time gr_core_device_time_at(const struct gr_core *core, int64_t at_ms)
{
    assert(core != NULL);
    struct gr_device_time time = core->time;
    if (core->sequence != 0 && at_ms > core->now_ms) {
        struct gr_device_time more =
            time_passed(core, (unsigned __int128)((uint64_t)at_ms - (uint64_t)core->now_ms));
        time_add(&time, &more);
    }
    return time;
}

// Device-time passes up to `at_ms`.
static void advance(struct gr_core *core, int64_t at_ms)
{
    if (core->sequence == 0) {
        core->first_ms = core->now_ms = at_ms;
    }
    assert(at_ms >= core->now_ms);
    unsigned __int128 passed = (unsigned __int128)((uint64_t)at_ms - (uint64_t)core->now_ms);
    if (passed != 0) {
        struct gr_device_time more = time_passed(core, passed);
        time_add(&core->time, &more);
        core->time_all += gr_place_totals_get(gr_pool(core)).all_milli * passed;
        core->now_ms = at_ms;
    }
}

static void room_forget(struct gr_core *core)
{
    memset(gr_kept_at(core), 0, gr_place_node_count(gr_pool(core)));
    core->room_kept = (struct gr_reserved_room){0};
    core->room++;
    gr_queue_wake_beside(core);
}

// Room may have grown: what found none is tried again, and so is a start of which no end was known.
static void room_grew(struct gr_core *core)
{
    core->room++;
    if (core->room_kept.job != 0 && core->room_kept.start_ms == INT64_MAX) {
        room_forget(core);
    }
}

static void room_keep(struct gr_core *core, const struct gr_event *event)
{
    room_forget(core);
    core->room_kept.job = event->reserved.job;
    core->room_kept.start_ms = event->reserved.start_ms;
    core->room_kept.made_ms = event->at_ms;
    core->unreservable_ms = event->piece_count == 0 ? event->at_ms : 0;
    for (uint32_t i = 0; i < event->piece_count; i++) {
        uint8_t *kept = &gr_kept_at(core)[event->pieces[i].node];
        core->room_kept.node_count += *kept == 0;
        *kept = 1;
    }
}

static void job_leaves(struct gr_core *core, uint64_t job, bool done)
{
    gr_jobs_remove(core, gr_core_job_slot(core, job), done);
    if (core->room_kept.job == job) {
        room_forget(core);
    }
}

// Of a node's capacity, what is broken: all of a broken node, else its devices out of use.
static uint64_t broken_of(const struct gr_core *core, uint32_t number)
{
    const struct gr_node *node = gr_place_node_get(gr_pool(core), number);
    unsigned out = gr_place_cold_get(gr_pool(core), number)->out;
    return (node->state == GR_NODE_BROKEN ? node->devices : (unsigned)__builtin_popcount(out)) *
           (uint64_t)GR_DEVICE_MILLI;
}

static void node_added(struct gr_core *core, const struct gr_event *event)
{
    uint32_t number = gr_place_node_add(gr_pool(core), &event->node.row, event->node.name);
    assert(number < core->limits.place.nodes);
    core->broken_milli += broken_of(core, number);
    room_grew(core);
    gr_queue_wake_node(core, number);
}

// What a node takes has changed: the room kept on it is worth nothing any more, or more than
// before.
static void node_changed(struct gr_core *core, uint32_t number)
{
    if (gr_kept_at(core)[number] != 0) {
        room_forget(core);
    }
    room_grew(core);
    gr_queue_wake_node(core, number);
}

static void node_state_set(struct gr_core *core, const struct gr_event *event)
{
    uint32_t number = event->node_state.node;
    core->broken_milli -= broken_of(core, number);
    gr_place_node_set_state(
        gr_pool(core), number,
        gr_window_node_state(core, number, (enum gr_node_state)event->node_state.state));
    core->broken_milli += broken_of(core, number);
    node_changed(core, number);
}

static void devices_set(struct gr_core *core, const struct gr_event *event)
{
    uint32_t number = event->devices_set.node;
    core->broken_milli -= broken_of(core, number);
    gr_place_devices_set(gr_pool(core), number, event->devices_set.devices,
                         event->devices_set.is_out != 0);
    core->broken_milli += broken_of(core, number);
    for (unsigned bits = event->devices_set.devices; bits != 0; bits &= bits - 1) {
        gr_health_at(core, number)[__builtin_ctz(bits)] = event->devices_set.health;
    }
    node_changed(core, number);
}

// What the world must do with an attempt of a job.
static unsigned effect(struct gr_effect *ret_effects, enum gr_effect_type type,
                       const struct gr_event *event, uint64_t job, uint32_t attempt)
{
    if (ret_effects != NULL) {
        ret_effects[0] =
            (struct gr_effect){.type = type, .epoch = event->epoch, .job = job, .attempt = attempt};
    }
    return 1;
}

static unsigned job_placed(struct gr_core *core, const struct gr_event *event,
                           struct gr_effect *ret_effects)
{
    gr_jobs_start(core, event);
    gr_hold_end(core, event->placed.job);
    if (core->room_kept.job == event->placed.job) {
        room_forget(core);
    }
    return effect(ret_effects, GR_START_JOB, event, event->placed.job, event->placed.attempt);
}

static unsigned job_finished(struct gr_core *core, const struct gr_event *event,
                             struct gr_effect *ret_effects)
{
    job_leaves(core, event->finished.job, event->finished.ending.outcome == GR_OUTCOME_DONE);
    room_grew(core);
    return effect(ret_effects, GR_RELEASE_JOB, event, event->finished.job, event->finished.attempt);
}

static unsigned job_requeued(struct gr_core *core, const struct gr_event *event,
                             struct gr_effect *ret_effects)
{
    gr_jobs_requeue(core, gr_core_job_slot(core, event->requeued.job));
    room_grew(core);
    return effect(ret_effects, GR_RELEASE_JOB, event, event->requeued.job, event->requeued.attempt);
}

static unsigned stop_asked(struct gr_core *core, const struct gr_event *event,
                           struct gr_effect *ret_effects)
{
    struct gr_job *job = gr_job_at(core, gr_core_job_slot(core, event->stop_asked.job));
    if (event->stop_asked.why == GR_STOP_RECLAIM && job->stop_why != GR_STOP_RECLAIM) {
        gr_lost_add(core, job, event->at_ms);
    }
    if (job->stop_why == GR_STOP_NOT) {
        gr_stopping_add(core, gr_core_job_slot(core, job->id));
    }
    job->stop_ms = event->since_ms;
    job->grace_ms = event->stop_asked.grace_ms;
    job->stop_why = (uint8_t)event->stop_asked.why;
    job->stop_signal = (uint8_t)event->stop_asked.signal;
    return effect(ret_effects, GR_STOP_JOB, event, event->stop_asked.job,
                  event->stop_asked.attempt);
}

// What is free of a lost task's place may be another's; nothing of it runs any more.
static void part_lost(struct gr_core *core, const struct gr_event *event)
{
    gr_part_lose(core, event);
    gr_hold_look(core, gr_core_job_slot(core, event->part_lost.job));
    room_grew(core);
}

static unsigned part_placed(struct gr_core *core, const struct gr_event *event,
                            struct gr_effect *ret_effects)
{
    gr_part_fill(core, event);
    return effect(ret_effects, GR_START_PART, event, event->part_placed.job,
                  event->part_placed.attempt);
}

static void mix_set(struct gr_core *core, const struct gr_event *event)
{
    struct gr_hash hash;
    gr_hash_init(&hash);
    gr_hash_add(&hash, event->items, event->item_count * sizeof(struct gr_mix_item));
    gr_hash_end(&hash, core->mix_digest);
    gr_place_mix_set(gr_pool(core), event->items, event->item_count);
    gr_learned_used(gr_learned_at(core));
}

static void org_added(struct gr_core *core, const struct gr_event *event)
{
    uint32_t org = core->org_count++;
    ((struct gr_org *)gr_core_at(core, core->orgs_at))[org] = event->org;
    gr_org_past_at(core, org)->at_ms = event->at_ms;
    gr_shares_org(core, org);
}

static void terms_set(struct gr_core *core, const struct gr_event *event)
{
    if (event->type == GR_ORG_TERMS_SET) {
        *gr_org_terms_at(core, event->org_terms.org) = event->org_terms;
    } else {
        gr_past_pass_all(core); // by the half-life that held until now
        gr_lost_pass(core);     // and the cap
        core->queue_terms = event->queue_terms;
    }
    gr_shares_forget(core);
}

// What is reserved on nodes of the window was reckoned without it; what waits is tried again.
static void window_changed(struct gr_core *core, const struct gr_event *event)
{
    if (gr_window_apply(core, event)) {
        room_forget(core);
    }
    room_grew(core);
}

// Everything but the header. Returns the number of effects.
static unsigned apply_body(struct gr_core *core, const struct gr_event *event,
                           struct gr_effect *ret_effects)
{
    switch ((enum gr_event_type)event->type) {
    case GR_ORG_ADDED:
        org_added(core, event);
        return 0;
    case GR_SITE_ADDED:
        ((struct gr_site *)gr_core_at(core, core->sites_at))[core->site_count++] = event->site;
        return 0;
    case GR_VARIANT_ADDED:
        memcpy((char *)gr_core_at(core, core->variants_at) + core->variant_count++ * GR_NAME_SIZE,
               event->variant, GR_NAME_SIZE);
        return 0;
    case GR_MASK_ADDED: {
        int index = gr_place_mask_add(gr_pool(core), event->mask);
        assert(index >= 0);
        (void)index;
        return 0;
    }
    case GR_NODE_ADDED:
        node_added(core, event);
        return 0;
    case GR_NODE_STATE_SET:
        node_state_set(core, event);
        return 0;
    case GR_MIX_SET:
        mix_set(core, event);
        core->room++; // another policy table may find what the last did not
        gr_queue_wake_all(core);
        return 0;
    case GR_JOB_SUBMITTED:
        gr_jobs_add(core, event);
        if (core->learn_mix) {
            gr_learned_add(gr_learned_at(core), &event->submitted.demand.shape,
                           event->submitted.demand.tasks);
        }
        return 0;
    case GR_JOB_PLACED:
        return job_placed(core, event, ret_effects);
    case GR_JOB_FINISHED:
        return job_finished(core, event, ret_effects);
    case GR_JOB_DROPPED:
        job_leaves(core, event->dropped.job, false);
        return 0;
    case GR_ROOM_RESERVED:
        room_keep(core, event);
        return 0;
    case GR_USER_ADDED:
        gr_user_past_at(core, core->user_count)->at_ms = event->at_ms;
        *gr_user_at(core, core->user_count++) = event->user_added;
        return 0;
    case GR_QUOTA_SET:
        gr_quota_set(core, &event->quota);
        return 0;
    case GR_ORG_TERMS_SET:
    case GR_QUEUE_TERMS_SET:
        terms_set(core, event);
        return 0;
    case GR_PREFERENCE_SET:
        gr_prefer_set(core, event);
        return 0;
    case GR_CLASS_SET:
        gr_class_set(core, &event->job_class);
        return 0;
    case GR_WINDOW_SET:
    case GR_WINDOW_OPENED:
    case GR_WINDOW_CLOSED:
    case GR_WINDOW_ENDED:
        window_changed(core, event);
        return 0;
    case GR_CHECKPOINTED:
        gr_job_at(core, gr_core_job_slot(core, event->checkpointed.job))->safe_ms = event->since_ms;
        return 0;
    case GR_ROOM_HELD:
        gr_hold_add(core, event);
        return 0;
    case GR_ROOM_FREED:
        gr_hold_end(core, event->freed.job);
        return 0;
    case GR_EPOCH_BEGUN:
        gr_links_close(core);
        return 0;
    case GR_JOB_STARTED:
        gr_job_at(core, gr_core_job_slot(core, event->started.job))->began_ms = event->since_ms;
        return 0;
    case GR_JOB_REQUEUED:
        return job_requeued(core, event, ret_effects);
    case GR_STOP_ASKED:
        return stop_asked(core, event, ret_effects);
    case GR_DEVICES_SET:
        devices_set(core, event);
        return 0;
    case GR_KEY_USED:
        gr_keys_add(core, event);
        return 0;
    case GR_PART_LOST:
        part_lost(core, event);
        return 0;
    case GR_PART_PLACED:
        return part_placed(core, event, ret_effects);
    }
    assert(!"an unknown event was checked");
    return 0;
}

static unsigned apply(struct gr_core *core, const struct gr_event *event,
                      struct gr_effect *ret_effects)
{
    advance(core, event->at_ms);
    core->sequence = event->sequence;
    core->epoch = event->epoch;
    gr_keys_expire(core);
    return apply_body(core, event, ret_effects);
}

unsigned gr_core_apply(struct gr_core *core, const struct gr_event *event,
                       struct gr_effect *ret_effects)
{
    assert(core != NULL && event != NULL);
    assert(gr_core_check(core, event) == GR_REFUSED_NOTHING);
    return apply(core, event, ret_effects);
}

enum gr_refusal gr_core_step(struct gr_core *core, const struct gr_event *event,
                             struct gr_effect *ret_effects, unsigned *ret_count)
{
    assert(core != NULL && event != NULL);
    enum gr_refusal refusal = gr_core_check(core, event);
    if (refusal == GR_REFUSED_NOTHING) {
        unsigned count = apply(core, event, ret_effects);
        if (ret_count != NULL) {
            *ret_count = count;
        }
    }
    return refusal;
}
