// Whom a declaration hits: jobs that run beyond what is allowed from then on. See apply_parts.h.
#include "daemon/apply_parts.h"

#include "base/json.h"

#include <stdlib.h>

// Jobs that a hit names at most.
#define JOBS_MOST 20

// What a running job counts for.
struct held {
    uint64_t job, amount;
};

static bool is_below(const struct gr_core *core, uint32_t org, uint32_t above)
{
    while (org != above && org != UINT32_MAX) {
        org = gr_core_org_get(core, org)->parent;
    }
    return org == above;
}

// What a job holds of a variant, or of all; 1 where jobs are counted.
static uint64_t amount_of(struct gr_pool *pool, const struct gr_job *job, uint32_t variant,
                          bool of_jobs)
{
    uint64_t milli = 0;
    if (of_jobs || variant == UINT32_MAX) {
        return of_jobs ? 1
                       : (uint64_t)job->demand.tasks * job->demand.shape.devices *
                             job->demand.shape.milli;
    }
    uint32_t count = gr_core_job_pieces(pool->core, job->id, pool->pieces, job->demand.tasks);
    for (uint32_t p = 0; p < count; p++) {
        const struct gr_piece *piece = &pool->pieces[p];
        bool is_it = gr_place_node_get(gr_core_place(pool->core), piece->node)->variant == variant;
        milli += is_it ? (uint64_t)__builtin_popcount(piece->devices) * piece->milli : 0;
    }
    return milli;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t left = ((const struct held *)a)->job, right = ((const struct held *)b)->job;
    return left < right ? 1 : left > right ? -1 : 0;
}

static int set_amount(json_t *hit, const char *key, uint64_t amount, bool of_jobs)
{
    return of_jobs ? gr_json_set_int(hit, key, (int64_t)amount)
                   : gr_json_set_decimal(hit, key, (int64_t)amount, 3);
}

// The newest jobs, until what is beyond is covered.
static json_t *hit_make(const struct held *held, uint32_t count, uint64_t beyond)
{
    json_t *hit = json_object();
    json_t *jobs = json_array();
    uint64_t covered = 0;
    uint32_t of = 0;
    int rc = 0;
    for (; of < count && covered < beyond; of++) {
        covered += held[of].amount;
        rc |= of < JOBS_MOST ? gr_json_append(jobs, json_integer((json_int_t)held[of].job)) : 0;
    }
    rc |= gr_json_set(hit, "jobs", jobs);
    rc |= gr_json_set_int(hit, "jobs_beyond", of);
    if (rc != 0) {
        json_decref(hit);
        return NULL;
    }
    return hit;
}

int gr_apply_hit(struct gr_pool *pool, json_t *hits, uint32_t org, uint32_t variant, bool of_jobs,
                 uint64_t allowed, const char *what)
{
    struct gr_core *core = pool->core;
    uint64_t all = 0;
    uint32_t count = 0, cursor = 0;
    const struct gr_job *job;
    struct held *held = calloc((size_t)gr_core_running(core) + 1, sizeof *held);
    if (held == NULL) {
        return -ENOMEM;
    }
    while ((job = gr_core_job_next(core, &cursor)) != NULL) {
        uint64_t amount = job->state == GR_JOB_RUNNING && is_below(core, job->org, org)
                              ? amount_of(pool, job, variant, of_jobs)
                              : 0;
        if (amount > 0) {
            held[count++] = (struct held){job->id, amount};
            all += amount;
        }
    }
    int rc = 0;
    if (all > allowed) {
        qsort(held, count, sizeof *held, newest_first);
        json_t *hit = hit_make(held, count, all - allowed);
        rc = gr_json_set_text(hit, "organisation", gr_slice_of(gr_core_org_get(core, org)->name));
        rc |=
            variant == UINT32_MAX
                ? gr_json_set_null(hit, "variant")
                : gr_json_set_text(hit, "variant", gr_slice_of(gr_core_variant_get(core, variant)));
        rc |= gr_json_set_text(hit, "what", gr_slice_of(what));
        rc |= set_amount(hit, "has", all, of_jobs);
        rc |= set_amount(hit, "allowed", allowed, of_jobs);
        rc |= gr_json_append(hits, hit);
    }
    free(held);
    return rc == 0 ? 0 : -ENOMEM;
}
