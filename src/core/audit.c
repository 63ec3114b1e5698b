// The auditor: counts everything again from the jobs up and compares it with the books. Slow on
// purpose, and written differently from what it checks.
#include "core/part.h"
#include "core/queue.h"
#include "core/reclaim.h"
#include "core/state.h"
#include "core/tenants.h"
#include "core/window_parts.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

// What all allocations together hold of one node.
struct held {
    uint64_t cpu_milli, memory_mib;
    uint32_t milli[GR_NODE_DEVICES_MAX];
    uint32_t hosted[GR_NODE_DEVICES_MAX + 1];
};

struct counting {
    struct held *held;
    uint32_t nodes;
    uint32_t pieces;
    uint64_t milli;
    bool outside; // a piece names a node or device that is not there
};

static void piece_count(void *context, const struct gr_piece *piece)
{
    struct counting *counting = context;
    unsigned width = 0;
    counting->pieces++;
    if (piece->node >= counting->nodes) {
        counting->outside = true;
        return;
    }
    struct held *held = &counting->held[piece->node];
    held->cpu_milli += piece->cpu_milli;
    held->memory_mib += piece->memory_mib;
    for (unsigned i = 0; i < GR_NODE_DEVICES_MAX; i++) {
        if ((piece->devices >> i & 1) != 0) {
            held->milli[i] += piece->milli;
            counting->milli += piece->milli;
            width++;
        }
    }
    if (width > 0) {
        held->hosted[width == 1 && piece->milli < GR_DEVICE_MILLI ? 0 : width]++;
    }
}

// Walks all jobs; sums what they hold. Returns NULL or what does not hold.
static const char *jobs_count(const struct gr_core *core, struct counting *counting)
{
    uint32_t waiting = 0, running = 0, held = 0, more = 0;
    for (uint32_t s = 0; s < core->job_top; s++) {
        const struct gr_job *job = gr_job_at(core, s);
        if (job->state == 0) {
            continue;
        }
        if (gr_core_job_slot(core, job->id) != s) {
            return "the job index does not lead to a job";
        }
        const struct gr_allocation *allocation = gr_allocation_at(core, s);
        if (job->state != GR_JOB_RUNNING) {
            waiting += job->state == GR_JOB_WAITING;
            held += job->state == GR_JOB_HELD;
            if (allocation->piece_count != 0) {
                return "a job that does not run has an allocation";
            }
            continue;
        }
        running++;
        uint32_t before = counting->pieces;
        if (allocation->piece_count != job->demand.tasks) {
            return "an allocation is not its job's";
        }
        gr_jobs_pieces(core, allocation, piece_count, counting);
        if (counting->pieces - before + gr_part_missing(core, s) != allocation->piece_count) {
            return "an allocation has more or fewer pieces than it says";
        }
        if (counting->outside) {
            return "a piece lies on a node that is not there";
        }
        more += allocation->piece_count - 1;
    }
    if (waiting != core->waiting || running != core->running || held != core->held ||
        more != core->more_used) {
        return "the counts of jobs or pieces are wrong";
    }
    return NULL;
}

static const char *queue_count(const struct gr_core *core)
{
    uint32_t seen = 0;
    int priority = 256;
    for (unsigned p = 0; p < 256; p++) {
        if ((core->filled[p / 64] >> p % 64 & 1) != (core->head[p] != NONE)) {
            return "a priority is taken for empty, or for filled";
        }
    }
    for (uint32_t s = gr_jobs_first(core); s != NONE; s = gr_jobs_after(core, s)) {
        const struct gr_job *job = gr_job_at(core, s);
        if (job->state != GR_JOB_WAITING || seen++ >= core->waiting) {
            return "the queue holds a job that does not wait, or one twice";
        }
        if (job->demand.priority > priority) {
            return "the queue is out of order";
        }
        priority = job->demand.priority;
    }
    return seen == core->waiting ? NULL : "the queue misses a job";
}

static const char *nodes_compare(const struct gr_core *core, const struct held *held)
{
    const struct gr_place *place = gr_pool(core);
    for (uint32_t n = 0; n < gr_place_node_count(place); n++) {
        const struct gr_node *node = gr_place_node_get(place, n);
        const struct gr_node_cold *cold = gr_place_cold_get(place, n);
        if (node->cpu_milli + held[n].cpu_milli != cold->cpu_milli ||
            node->memory_mib + held[n].memory_mib != cold->memory_mib) {
            return "cpu or memory of a node is lost or held twice";
        }
        for (unsigned i = 0; i < GR_NODE_DEVICES_MAX; i++) {
            uint32_t all = i < node->devices ? GR_DEVICE_MILLI : 0;
            uint32_t left =
                (cold->out >> i & 1) == 0 ? node->free[i] : gr_place_withheld_get(place, n, i);
            if (left + held[n].milli[i] != all) {
                return "a device is lost or held twice";
            }
        }
        for (unsigned k = 0; k <= GR_NODE_DEVICES_MAX; k++) {
            if (cold->hosted[k] != held[n].hosted[k]) {
                return "a node miscounts the tasks it hosts";
            }
        }
    }
    return NULL;
}

// Device-time: the four states add up to all device-time, and devices add up now.
static const char *books_compare(const struct gr_core *core, uint64_t held_milli)
{
    struct gr_place_totals totals = gr_place_totals_get(gr_pool(core));
    uint64_t sum = held_milli + totals.withheld_milli;
    for (unsigned s = 0; s < GR_NODE_STATES; s++) {
        sum += totals.free_milli[s];
    }
    if (held_milli != core->used_milli || sum != totals.all_milli) {
        return "used and free devices do not add up to all devices";
    }
    uint64_t broken = 0;
    for (uint32_t n = 0; n < gr_place_node_count(gr_pool(core)); n++) {
        const struct gr_node *node = gr_place_node_get(gr_pool(core), n);
        for (unsigned i = 0; i < node->devices; i++) {
            bool out = (gr_place_cold_get(gr_pool(core), n)->out & 1u << i) != 0;
            broken += node->state == GR_NODE_BROKEN || out ? GR_DEVICE_MILLI : 0;
        }
    }
    if (broken != core->broken_milli) {
        return "the devices out of use are miscounted";
    }
    const struct gr_device_time *time = &core->time;
    if (time->used + time->idle + time->maintenance + time->broken != core->time_all) {
        return "device-time does not add up to all device-time";
    }
    return NULL;
}

// The room that is kept is for a waiting job, and its nodes are counted.
static const char *room_count(const struct gr_core *core)
{
    uint32_t kept = 0;
    for (uint32_t n = 0; n < gr_place_node_count(gr_pool(core)); n++) {
        kept += gr_kept_at(core)[n] != 0;
    }
    if (kept != core->room_kept.node_count) {
        return "the nodes of the kept room are miscounted";
    }
    const struct gr_job *job =
        core->room_kept.job == 0 ? NULL : gr_core_job_find(core, core->room_kept.job);
    if (core->room_kept.job == 0 ? kept != 0 : job == NULL || job->state != GR_JOB_WAITING) {
        return "room is kept for a job that does not wait";
    }
    return NULL;
}

const char *gr_core_audit(const struct gr_core *core)
{
    assert(core != NULL);
    uint32_t nodes = gr_place_node_count(gr_pool(core));
    struct counting counting = {.held = calloc(nodes == 0 ? 1 : nodes, sizeof(struct held)),
                                .nodes = nodes};
    if (counting.held == NULL) {
        return "no memory for the audit";
    }
    const char *wrong = jobs_count(core, &counting);
    wrong = wrong != NULL ? wrong : queue_count(core);
    wrong = wrong != NULL ? wrong : nodes_compare(core, counting.held);
    wrong = wrong != NULL ? wrong : books_compare(core, counting.milli);
    wrong = wrong != NULL ? wrong : room_count(core);
    wrong = wrong != NULL ? wrong : gr_tenants_audit(core);
    wrong = wrong != NULL ? wrong : gr_holds_audit(core);
    wrong = wrong != NULL ? wrong : gr_parts_audit(core);
    wrong = wrong != NULL ? wrong : gr_windows_audit(core);
    wrong = wrong != NULL ? wrong : gr_audit_links(core);
    wrong = wrong != NULL ? wrong : gr_past_audit(core);
    wrong = wrong != NULL ? wrong : gr_quota_audit(core);
    wrong = wrong != NULL ? wrong : gr_queue_audit(core);
    wrong = wrong != NULL ? wrong : gr_shares_audit(core);
    free(counting.held);
    return wrong != NULL ? wrong : gr_place_audit(gr_pool(core));
}
