// Metrics of the queue: what was taken back and lost, how long jobs waited, quotas, room that is
// held or reserved, how good estimates were. See metrics.h; docs/operate/watch.md says what to
// watch.
#include "core/show.h"
#include "daemon/daemon.h"
#include "daemon/metrics.h"
#include "daemon/queue_counts.h"

#include <inttypes.h>

// Quotas that are shown, at most: a scraper keeps a series of each figure of each.
#define QUOTAS_MOST 2000

static void put_milli(FILE *out, uint64_t milli)
{
    fprintf(out, "%" PRIu64 ".%03u\n", milli / 1000, (unsigned)(milli % 1000));
}

static void write_preempted(FILE *out, const struct gr_pool *pool)
{
    const struct gr_queue_counts *counts = &pool->counts;
    char labels[32];
    gr_metrics_family(out, "granary_jobs_preempted", "counter", "",
                      "Attempts that the pool stopped for others' sake since the daemon started");
    for (unsigned w = 0; w < GR_PREEMPTED_WHYS; w++) {
        snprintf(labels, sizeof labels, "{why=\"%s\"}", gr_preempted_name((enum gr_preempted)w));
        fprintf(out, "granary_jobs_preempted_total%s %" PRIu64 "\n", labels, counts->preempted[w]);
        gr_metrics_created(out, "granary_jobs_preempted", labels, pool->started_ms);
    }
    gr_metrics_family(out, "granary_lost_device_seconds", "counter", "seconds",
                      "Work of these since their last checkpoint, in seconds of one device");
    for (unsigned w = 0; w < GR_PREEMPTED_WHYS; w++) {
        snprintf(labels, sizeof labels, "{why=\"%s\"}", gr_preempted_name((enum gr_preempted)w));
        fprintf(out, "granary_lost_device_seconds_total%s ", labels);
        put_milli(out, counts->lost[w] / 1000);
        gr_metrics_created(out, "granary_lost_device_seconds", labels, pool->started_ms);
    }
}

static void write_waits(FILE *out, const struct gr_pool *pool)
{
    const struct gr_queue_counts *counts = &pool->counts;
    uint64_t upto = 0;
    gr_metrics_family(out, "granary_wait_seconds", "histogram", "seconds",
                      "From submission to first start, of jobs that waited for no other job");
    for (unsigned s = 0; s <= GR_WAIT_STEPS; s++) {
        upto += counts->waits[s];
        if (s < GR_WAIT_STEPS) {
            fprintf(out, "granary_wait_seconds_bucket{le=\"%u.0\"} %" PRIu64 "\n", gr_wait_steps[s],
                    upto);
        } else {
            fprintf(out, "granary_wait_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", upto);
        }
    }
    fprintf(out, "granary_wait_seconds_sum ");
    put_milli(out, counts->waited_ms);
    fprintf(out, "granary_wait_seconds_count %" PRIu64 "\n", upto);
    gr_metrics_created(out, "granary_wait_seconds", "", pool->started_ms);
}

// --- quotas

enum figure { NOMINAL, USED, BORROWED, LENT, FIGURES };

static uint64_t figure_of(const struct gr_core *core, enum figure figure,
                          const struct gr_quota *quota, uint64_t used)
{
    uint64_t unused = used < quota->nominal_milli ? quota->nominal_milli - used : 0;
    uint64_t free = gr_place_variant_free(gr_core_place(core), quota->variant);
    switch (figure) {
    case NOMINAL:
        return quota->nominal_milli;
    case USED:
        return used;
    case BORROWED:
        return used > quota->nominal_milli ? used - quota->nominal_milli : 0;
    case LENT:
        return unused > free ? unused - free : 0;
    case FIGURES:
        break;
    }
    return 0;
}

// Those of organisations that `who` may see.
static void write_quotas(FILE *out, struct gr_daemon *daemon, const struct gr_identity *who)
{
    static const struct {
        const char *name, *help;
    } figures[FIGURES] = {
        [NOMINAL] = {"granary_quota_nominal_devices", "Devices that are its own"},
        [USED] = {"granary_quota_used_devices", "Devices that it and those below it hold"},
        [BORROWED] = {"granary_quota_borrowed_devices", "Devices that it holds beyond its own"},
        [LENT] = {"granary_quota_lent_devices", "Devices of its own, unused and not free"},
    };
    const struct gr_core *core = daemon->pool->core;
    uint32_t count = gr_core_quotas(core) < QUOTAS_MOST ? gr_core_quotas(core) : QUOTAS_MOST;
    for (int f = 0; f < FIGURES; f++) {
        gr_metrics_family(out, figures[f].name, "gauge", "devices", figures[f].help);
        for (uint32_t q = 0; q < count; q++) {
            uint64_t used;
            struct gr_quota quota = gr_core_quota_get(core, q, &used);
            if (!gr_daemon_may_see(daemon, who, quota.org)) {
                continue;
            }
            fprintf(out, "%s{", figures[f].name);
            gr_metrics_label(out, "organisation", gr_core_org_get(core, quota.org)->name, true);
            gr_metrics_label(out, "variant", gr_core_variant_get(core, quota.variant), false);
            fputs("} ", out);
            put_milli(out, figure_of(core, (enum figure)f, &quota, used));
        }
    }
}

// --- room and estimates

static void write_room(FILE *out, const struct gr_pool *pool)
{
    struct gr_core_hold hold;
    uint32_t cursor = 0, jobs = 0, nodes = 0;
    while (gr_core_hold_next(pool->core, &cursor, &hold)) {
        jobs++;
        nodes += hold.nodes;
    }
    gr_metrics_family(out, "granary_room_held_jobs", "gauge", "jobs",
                      "Jobs for which room is being freed");
    fprintf(out, "granary_room_held_jobs %u\n", jobs);
    gr_metrics_family(out, "granary_room_held_nodes", "gauge", "nodes", "Nodes held for them");
    fprintf(out, "granary_room_held_nodes %u\n", nodes);
    gr_metrics_family(out, "granary_room_reserved_nodes", "gauge", "nodes",
                      "Nodes reserved for the first job that has no room");
    fprintf(out, "granary_room_reserved_nodes %u\n", gr_core_reserved(pool->core).nodes);
}

static void write_estimates(FILE *out, const struct gr_pool *pool)
{
    static const char *const outcomes[] = {[GR_ESTIMATE_EARLY] = "early",
                                           [GR_ESTIMATE_INSIDE] = "inside",
                                           [GR_ESTIMATE_LATE] = "late"};
    struct gr_estimates_sum sum;
    gr_estimates_sum(pool->estimates, gr_pool_now(pool), &sum);
    gr_metrics_family(out, "granary_estimates", "gauge", "",
                      "The newest checked estimates of starts by outcome; eight of ten are meant "
                      "to be inside");
    for (unsigned o = 0; o < GR_ESTIMATE_OUTCOMES; o++) {
        fprintf(out, "granary_estimates{outcome=\"%s\"} %u\n", outcomes[o], sum.outcomes[o]);
    }
    gr_metrics_family(out, "granary_estimates_checked", "counter", "",
                      "Estimates that were checked, ever");
    fprintf(out, "granary_estimates_checked_total %" PRIu64 "\n", sum.total);
}

void gr_metrics_queue(FILE *out, struct gr_daemon *daemon, const struct gr_identity *who)
{
    struct gr_pool *pool = daemon->pool;
    write_preempted(out, pool);
    write_waits(out, pool);
    write_quotas(out, daemon, who);
    write_room(out, pool);
    write_estimates(out, pool);
}
