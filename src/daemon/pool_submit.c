// Submissions and stops: requests that become facts. See pool.h.
#include "base/hash.h"
#include "daemon/aside.h"
#include "daemon/pool.h"
#include "daemon/pool_kind.h"
#include "daemon/shortage.h"
#include "model/domain.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

// --- what a spec asks of the core

static bool refuse(struct gr_pool_refusal *ret, unsigned status, const char *code,
                   const char *field, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

static bool refuse(struct gr_pool_refusal *ret, unsigned status, const char *code,
                   const char *field, const char *hint, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(ret->text, sizeof ret->text, fmt, args);
    va_end(args);
    snprintf(ret->hint, sizeof ret->hint, "%s", hint);
    ret->refusal = GR_REFUSED_FIELD;
    ret->status = status;
    ret->code = code;
    ret->field = field;
    return false;
}

// What people can do about a refusal of the core.
static const char *hint_of(enum gr_refusal refusal)
{
    switch ((int)refusal) {
    case GR_REFUSED_NEVER:
        return "ask for less, or see with `granary nodes` what there is";
    case GR_REFUSED_NOWHERE:
        return "`granary nodes` shows which kinds are here";
    case GR_REFUSED_LIMIT_JOBS:
    case GR_REFUSED_LIMIT_ORG:
        return "wait until some jobs have ended, or let the operator raise the limit";
    case GR_REFUSED_AFTER:
        return "`granary show ID` tells how the other job ended";
    case GR_REFUSED_LIMIT_KEYS:
        return "send fewer requests with an idempotency key, or none";
    default:
        return "";
    }
}

static bool refuse_by_core(struct gr_pool_refusal *ret, enum gr_refusal refusal)
{
    bool is_limit = refusal == GR_REFUSED_LIMIT_JOBS || refusal == GR_REFUSED_LIMIT_ORG ||
                    refusal == GR_REFUSED_LIMIT_OTHER || refusal == GR_REFUSED_LIMIT_KEYS ||
                    refusal == GR_REFUSED_LIMIT_PIECES;
    bool is_capacity = refusal == GR_REFUSED_NEVER || refusal == GR_REFUSED_NOWHERE;
    unsigned status = is_limit                        ? 429
                      : is_capacity                   ? 422
                      : refusal == GR_REFUSED_NO_ROOM ? 503
                      : refusal == GR_REFUSED_AFTER   ? 409
                                                      : 403;
    refuse(ret, status, gr_refusal_name(refusal), NULL, hint_of(refusal), "%s",
           gr_refusal_text(refusal));
    ret->refusal = refusal;
    return false;
}

// Where a spec may go, and where first: its kind's variants, at sites whose devices are of the sort
// it asks for.
static bool mask_of(struct gr_pool *pool, const struct gr_spec *spec, struct gr_mask *ret_mask,
                    struct gr_preference *ret_preference, struct gr_pool_refusal *ret)
{
    gr_mask_fill(ret_mask);
    if (spec->devices == 0) {
        if (pool->site_pretend != UINT32_MAX) {
            gr_mask_remove_site(ret_mask, pool->site_pretend);
        }
        return true;
    }
    if (spec->kind[0] == '\0') {
        return true;
    }
    struct gr_pool_cached_kind kind;
    struct gr_err err;
    if (gr_pool_kind_find(pool, spec->kind, (enum gr_use)spec->use, &kind, &err) != 0) {
        return refuse(ret, 422, "bad-spec", "kind", "`granary catalogue kinds` lists them", "%s",
                      err.text);
    }
    gr_mask_keep_variants(ret_mask, kind.bits);
    *ret_preference = kind.preference;
    uint64_t any = 0;
    for (unsigned i = 0; i < GR_POOL_VARIANTS_MAX / 64; i++) {
        any |= kind.bits[i];
    }
    return any != 0 || refuse(ret, 422, gr_refusal_name(GR_REFUSED_NOWHERE), "kind",
                              "`granary nodes` shows which kinds are here",
                              "this pool has no accelerator of kind '%s'", spec->kind);
}

// Whether a job ended well; of an array, named by its first element, whether all of them did. They
// have ids in a row.
static bool ended_well(struct gr_pool *pool, const struct gr_ended *first)
{
    uint64_t array = first->array == first->id ? first->id : 0;
    struct gr_ended ended = *first;
    // An array has up to 65,536 rows, maybe on the disk, and what they say never changes.
    struct gr_pool_cached_array *cached = &pool->arrays[array % GR_POOL_CACHED];
    if (array != 0 && cached->array == array) {
        return cached->is_well;
    }
    do {
        if (ended.dropped != 0 || ended.ending.outcome != GR_OUTCOME_DONE) {
            *cached = (struct gr_pool_cached_array){.array = array, .is_well = false};
            return false;
        }
    } while (array != 0 && gr_pool_ended_find(pool, ended.id + 1, &ended) && ended.array == array);
    *cached = (struct gr_pool_cached_array){.array = array, .is_well = true};
    return true;
}

// Whether who submits may know of a job, live or ended: it is of the same organisation, or the
// submitter is an operator.
static bool may_wait_for(const struct gr_pool *pool, const struct gr_spec *spec, uint32_t org,
                         uint64_t job, const struct gr_ended *ended)
{
    const struct gr_job *row = gr_core_job_find(pool->core, job);
    return spec->uid == 0 || spec->uid == geteuid() ||
           (row != NULL     ? row->org
            : ended != NULL ? ended->org
                            : UINT32_MAX) == org;
}

// The jobs that a spec waits for: live ones become edges, ended ones are looked at now.
static bool edges_of(struct gr_pool *pool, const struct gr_spec *spec, uint32_t org,
                     struct gr_edge ret_edges[GR_SPEC_AFTER_MAX], uint32_t *ret_count,
                     struct gr_pool_refusal *ret)
{
    *ret_count = 0;
    for (uint32_t i = 0; i < spec->after_count; i++) {
        const struct gr_spec_after *after = &spec->after[i];
        struct gr_edge edge = {.job = after->job, .how = after->how};
        struct gr_ended ended;
        // What is live need not be looked for among those that ended, which may read the disk.
        bool has_ended = gr_core_job_find(pool->core, after->job) == NULL &&
                         gr_pool_ended_find(pool, after->job, &ended);
        bool is_known = may_wait_for(pool, spec, org, after->job, has_ended ? &ended : NULL);
        if (is_known && (gr_core_job_find(pool->core, after->job) != NULL ||
                         gr_core_array_is_live(pool->core, after->job))) {
            ret_edges[(*ret_count)++] = edge;
            continue;
        }
        if (!has_ended || !is_known) {
            return refuse(ret, 422, gr_refusal_name(GR_REFUSED_AFTER), "after",
                          "`granary ps --all` lists jobs", "there is no job %llu to wait for",
                          (unsigned long long)after->job);
        }
        bool is_ok = ended_well(pool, &ended);
        if (after->how != GR_AFTER_ANY && is_ok != (after->how == GR_AFTER_OK)) {
            return refuse(ret, 409, gr_refusal_name(GR_REFUSED_AFTER), "after",
                          "`granary show ID` tells how it ended",
                          "job %llu has ended %s: what this job waits for can never happen",
                          (unsigned long long)after->job, is_ok ? "well" : "badly");
        }
    }
    return true;
}

// Notice and its signal are needed when a limit nears, also after a restart: they travel with the
// job as its tag, notice_ms in 40 bits and the signal above.
static uint64_t tag_of(const struct gr_spec *spec)
{
    return spec->notice_signal == 0
               ? 0
               : (uint64_t)spec->notice_ms | (uint64_t)spec->notice_signal << 40;
}

static struct gr_submission submission_of(const struct gr_spec *spec)
{
    return (struct gr_submission){
        .demand = {.shape = {.cpu_milli = spec->cpu_milli,
                             .memory_mib = spec->memory_mib,
                             .milli = (uint16_t)(spec->devices == 0 ? 0 : spec->milli),
                             .devices = (uint8_t)spec->devices},
                   .tasks = spec->tasks,
                   .priority = (uint8_t)spec->priority,
                   .use = (uint8_t)spec->use},
        .limit_ms = spec->limit_ms,
        .tag = tag_of(spec),
        .attempts = (uint16_t)spec->attempts,
        .requeue_on = (uint8_t)spec->requeue_on};
}

static bool demand_of(struct gr_pool *pool, const struct gr_spec *spec,
                      struct gr_submission *ret_submission, struct gr_pool_refusal *ret)
{
    if (spec->devices > GR_NODE_DEVICES_MAX) {
        return refuse(ret, 422, gr_refusal_name(GR_REFUSED_NEVER), "devices",
                      "use more tasks with fewer devices each",
                      "a task holds at most %d devices of one node, not %u", GR_NODE_DEVICES_MAX,
                      spec->devices);
    }
    *ret_submission = submission_of(spec);
    if (spec->domain[0] != '\0') {
        const char *why = gr_domain_read(gr_slice_of(spec->domain), spec->tasks,
                                         &ret_submission->demand.domain_level,
                                         &ret_submission->demand.domain_tasks);
        if (why != NULL) {
            return refuse(ret, 422, "bad-spec", "domain", "", "'domain' %s", why);
        }
    }
    const char *wrong = gr_demand_wrong(&ret_submission->demand);
    if (wrong != NULL) {
        return refuse(ret, 422, "bad-spec", NULL, "", "%s", wrong);
    }
    return mask_of(pool, spec, &ret_submission->mask, &ret_submission->preference, ret);
}

// Everything that can be said about a submission before the first fact.
static bool prepare(struct gr_pool *pool, const struct gr_spec *spec, uint32_t org,
                    struct gr_submission *ret_submission,
                    struct gr_edge ret_edges[GR_SPEC_AFTER_MAX], struct gr_pool_refusal *ret)
{
    if (geteuid() != 0 && spec->uid != geteuid() && pool->engine != NULL) {
        return refuse(ret, 403, "forbidden", NULL, "let root run the pool's daemon",
                      "this pool's daemon is not root: it runs only jobs of user %u",
                      (unsigned)geteuid());
    }
    if (!demand_of(pool, spec, ret_submission, ret) ||
        !edges_of(pool, spec, org, ret_edges, &ret_submission->edge_count, ret)) {
        return false;
    }
    ret_submission->edges = ret_edges;
    uint32_t count = spec->array_count == 0 ? 1 : spec->array_count;
    uint64_t jobs = (uint64_t)gr_core_held(pool->core) + gr_core_waiting(pool->core) +
                    gr_core_running(pool->core);
    if (jobs + count > pool->config.core.limits.jobs) {
        return refuse_by_core(ret, GR_REFUSED_LIMIT_JOBS);
    }
    if ((uint64_t)gr_core_org_jobs(pool->core, org) + count > pool->config.org_jobs_most) {
        return refuse_by_core(ret, GR_REFUSED_LIMIT_ORG);
    }
    // Each element of an array has edges of its own.
    if ((uint64_t)ret_submission->edge_count * count + gr_core_edges(pool->core) >
        pool->config.core.limits.edges) {
        return refuse_by_core(ret, GR_REFUSED_LIMIT_OTHER);
    }
    ret_submission->org = org;
    return true;
}

static void draw_salt(struct gr_pool *pool, uint8_t ret_salt[GR_ASIDE_SALT_BYTES])
{
    if (pool->salts_left < GR_ASIDE_SALT_BYTES) {
        ssize_t got = getrandom(pool->salts, sizeof pool->salts, 0);
        // Only an interrupted read of more than 256 bytes can be short; take what came.
        pool->salts_left = got > 0 ? (size_t)got : 0;
        assert(pool->salts_left >= GR_ASIDE_SALT_BYTES);
    }
    pool->salts_left -= GR_ASIDE_SALT_BYTES;
    memcpy(ret_salt, pool->salts + pool->salts_left, GR_ASIDE_SALT_BYTES);
}

// The spec as salted bytes in pool->order_bytes, and the commitment to them.
static bool encode_spec(struct gr_pool *pool, const struct gr_spec *spec, size_t *ret_size,
                        uint8_t ret_commitment[32], struct gr_pool_refusal *ret)
{
    draw_salt(pool, pool->order_bytes);
    long size = gr_spec_encode(spec, pool->order_bytes + GR_ASIDE_SALT_BYTES, GR_SPEC_BYTES_MAX);
    if (size < 0) {
        return refuse(ret, 413, "too-large", NULL, "pass large data in files",
                      "the spec is larger than %zu bytes", GR_SPEC_BYTES_MAX);
    }
    *ret_size = (size_t)size + GR_ASIDE_SALT_BYTES;
    struct gr_hash hash;
    gr_hash_init(&hash);
    gr_hash_add(&hash, pool->order_bytes, *ret_size);
    gr_hash_end(&hash, ret_commitment);
    return true;
}

// The facts of one submission: more than one if its mask or its preference is new.
static enum gr_refusal submit_one(struct gr_pool *pool, int64_t now_ms,
                                  struct gr_submission *submission, uint64_t *ret_job)
{
    struct gr_mask asked = submission->mask;
    for (bool is_done = false; !is_done;) {
        struct gr_event events[2];
        unsigned count;
        submission->mask = asked; // deciding narrows it
        enum gr_refusal refusal =
            gr_decide_submit(pool->core, NULL, now_ms, submission, events, &count);
        if (refusal != GR_REFUSED_NOTHING) {
            return refusal;
        }
        for (unsigned e = 0; e < count; e++) {
            gr_pool_fact(pool, &events[e]);
        }
        is_done = events[count - 1].type == GR_JOB_SUBMITTED;
        *ret_job = events[count - 1].sequence;
    }
    return GR_REFUSED_NOTHING;
}

// As refuse_by_core; a full table may be one of orders of kinds.
static bool refuse_kinds(struct gr_pool_refusal *ret, enum gr_refusal refusal,
                         const struct gr_submission *submission)
{
    (void)refuse_by_core(ret, refusal);
    if (refusal == GR_REFUSED_LIMIT_OTHER && gr_preference_tiers(&submission->preference) > 0) {
        ret->field = "kind";
        snprintf(ret->hint, sizeof ret->hint,
                 "if it is the table of orders of kinds: ask for one kind, or try again later");
    }
    return false;
}

// One job, or all elements of an array, one fact each. Only the first may be refused: what could
// stand against a later one was asked before.
static bool submit_all(struct gr_pool *pool, const struct gr_spec *spec,
                       struct gr_submission *submission, struct gr_pool_submitted *ret_submitted,
                       struct gr_pool_refusal *ret)
{
    uint32_t count = spec->array_count == 0 ? 1 : spec->array_count;
    int64_t now_ms = gr_pool_now(pool);
    *ret_submitted = (struct gr_pool_submitted){0};
    for (uint32_t i = 0; i < count; i++) {
        if (spec->array_count > 0) {
            submission->array =
                (struct gr_array_of){.array = ret_submitted->first,
                                     .index = spec->array_first + i * spec->array_step,
                                     .count = spec->array_count,
                                     .parallel = spec->array_parallel};
        }
        enum gr_refusal refusal = submit_one(pool, now_ms, submission, &ret_submitted->last);
        if (refusal != GR_REFUSED_NOTHING) {
            assert(i == 0);
            return refuse_kinds(ret, refusal, submission);
        }
        if (i == 0) {
            ret_submitted->first = ret_submitted->last;
        }
    }
    ret_submitted->count = count;
    ret_submitted->sequence = ret_submitted->last;
    pool->submitted_total += count;
    return true;
}

static bool use_key(struct gr_pool *pool, const uint8_t key[32], uint32_t org,
                    const struct gr_pool_submitted *submitted, struct gr_event *ret_event)
{
    *ret_event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_KEY_USED);
    memcpy(ret_event->key_used.key, key, 16);
    memcpy(ret_event->key_used.request, key + 16, 16);
    ret_event->key_used.org = org;
    ret_event->key_used.first = submitted->first;
    ret_event->key_used.last = submitted->last;
    ret_event->key_used.code = submitted->count;
    return gr_core_check(pool->core, ret_event) == GR_REFUSED_NOTHING;
}

// Adds a user whose first submission nothing stands against.
static bool take_user(struct gr_pool *pool, const struct gr_spec *spec,
                      const struct gr_submission *submission, uint32_t *ret_user,
                      struct gr_pool_refusal *ret)
{
    struct gr_submission trial = *submission;
    struct gr_event events[2];
    unsigned count;
    trial.user = UINT32_MAX;
    enum gr_refusal refusal =
        gr_decide_submit(pool->core, NULL, gr_pool_now(pool), &trial, events, &count);
    if (refusal != GR_REFUSED_NOTHING) {
        (void)refuse_by_core(ret, refusal);
        gr_shortage_refuse(pool, &trial, spec->kind, ret);
        return false;
    }
    *ret_user = gr_pool_user_take(pool, spec->uid);
    return *ret_user != UINT32_MAX || refuse_by_core(ret, GR_REFUSED_LIMIT_OTHER);
}

bool gr_pool_submit(struct gr_pool *pool, const struct gr_spec *spec, const uint8_t *key,
                    struct gr_pool_submitted *ret_submitted, struct gr_pool_refusal *ret_refusal)
{
    assert(pool != NULL && spec != NULL && ret_submitted != NULL && ret_refusal != NULL);
    *ret_refusal = (struct gr_pool_refusal){0};
    // Who never submitted is added only with something that is taken: the table is not for
    // refusals.
    uint32_t user = gr_pool_user_find(pool, spec->uid);
    struct gr_edge edges[GR_SPEC_AFTER_MAX];
    struct gr_submission submission;
    uint32_t org = user == UINT32_MAX ? 0 : gr_core_user_get(pool->core, user)->org;
    size_t size = 0;
    uint8_t commitment[32];
    struct gr_event used;
    struct gr_spec resolved = *spec;
    if (!gr_pool_class_take(pool, &resolved, ret_refusal)) {
        return false;
    }
    spec = &resolved;
    // Whether the key finds room is asked before anything happens; its fact comes last, in the same
    // group: effect and key are durable together or not at all.
    struct gr_pool_submitted nothing = {.first = 1, .last = 1, .count = 1};
    if (!prepare(pool, spec, org, &submission, edges, ret_refusal) ||
        !encode_spec(pool, spec, &size, commitment, ret_refusal)) {
        return false;
    }
    if (key != NULL && !use_key(pool, key, org, &nothing, &used)) {
        return refuse_by_core(ret_refusal, GR_REFUSED_LIMIT_KEYS);
    }
    if (user == UINT32_MAX && !take_user(pool, spec, &submission, &user, ret_refusal)) {
        return false;
    }
    submission.user = user;
    memcpy(submission.commitment, commitment, sizeof commitment);
    if (!submit_all(pool, spec, &submission, ret_submitted, ret_refusal)) {
        gr_shortage_refuse(pool, &submission, spec->kind, ret_refusal);
        return false;
    }
    gr_commit_aside(pool->commit, ret_submitted->first, pool->order_bytes, size);
    gr_specs_put(pool->specs, ret_submitted->first, pool->order_bytes + GR_ASIDE_SALT_BYTES,
                 size - GR_ASIDE_SALT_BYTES);
    if (key != NULL) {
        bool is_taken = use_key(pool, key, org, ret_submitted, &used);
        assert(is_taken);
        (void)is_taken;
        gr_pool_fact(pool, &used);
        ret_submitted->sequence = used.sequence;
    }
    return true;
}

bool gr_pool_submit_try(struct gr_pool *pool, const struct gr_spec *spec, bool *ret_starts,
                        bool *ret_places, struct gr_pool_refusal *ret_refusal)
{
    assert(pool != NULL && spec != NULL && ret_starts != NULL && ret_refusal != NULL);
    *ret_refusal = (struct gr_pool_refusal){0};
    uint32_t user = gr_pool_user_find(pool, spec->uid);
    uint32_t org = user == UINT32_MAX ? 0 : gr_core_user_get(pool->core, user)->org;
    struct gr_edge edges[GR_SPEC_AFTER_MAX];
    struct gr_submission submission;
    struct gr_spec resolved = *spec;
    if (!gr_pool_class_take(pool, &resolved, ret_refusal)) {
        return false;
    }
    spec = &resolved;
    if (!prepare(pool, spec, org, &submission, edges, ret_refusal)) {
        return false;
    }
    submission.user = user;
    struct gr_event events[2];
    unsigned count;
    uint32_t held = submission.edge_count;
    enum gr_refusal refusal =
        gr_decide_submit(pool->core, NULL, gr_pool_now(pool), &submission, events, &count);
    if (refusal != GR_REFUSED_NOTHING) {
        (void)refuse_by_core(ret_refusal, refusal);
        gr_shortage_refuse(pool, &submission, spec->kind, ret_refusal);
        return false;
    }
    struct gr_place *place = gr_core_place_refresh(pool->core);
    struct gr_event *last = &events[count - 1];
    bool prefers = gr_preference_tiers(&submission.preference) > 0;
    if (last->type != GR_JOB_SUBMITTED) { // what comes before it is not known yet
        last->submitted.demand = submission.demand;
    }
    // Jobs that wait already come first; nobody is passed over for a question.
    bool is_first = held == 0 && gr_core_waiting(pool->core) == 0;
    const struct gr_demand *demand = &last->submitted.demand;
    *ret_places = is_first && count == 1 && !prefers &&
                  gr_place_find_gang(place, demand, last->sequence, pool->pieces);
    // A mask that is not part of the state yet can be asked about, but nothing is found by it.
    *ret_starts = *ret_places ||
                  (is_first && (count == 2 || prefers) &&
                   gr_core_submission_room(pool->core, &submission) >= submission.demand.tasks);
    if (!*ret_starts) {
        bool is_known = count == 1 && last->type == GR_JOB_SUBMITTED;
        gr_shortage_wait(pool, last, submission.edge_count, is_known, spec->kind, ret_refusal);
    }
    return true;
}

int gr_pool_key_find(const struct gr_pool *pool, const uint8_t key[32],
                     struct gr_pool_submitted *ret_submitted)
{
    struct gr_key found;
    if (!gr_core_key_find(pool->core, key, &found)) {
        return 0;
    }
    if (memcmp(found.request, key + 16, 16) != 0) {
        return -1;
    }
    *ret_submitted = (struct gr_pool_submitted){
        .first = found.first, .last = found.last, .sequence = found.last, .count = found.code};
    return 1;
}

bool gr_pool_key_use(struct gr_pool *pool, const uint8_t key[32], uint32_t org, uint64_t job)
{
    struct gr_pool_submitted about = {.first = job, .last = job, .count = 1};
    struct gr_event used;
    if (!use_key(pool, key, org, &about, &used)) {
        return false;
    }
    gr_pool_fact(pool, &used);
    return true;
}

int gr_pool_spec(struct gr_pool *pool, uint64_t job, struct gr_spec *ret_spec, struct gr_err *err)
{
    assert(pool != NULL && ret_spec != NULL);
    struct gr_job_more more = {0};
    if (gr_core_job_find(pool->core, job) != NULL) {
        gr_core_job_more(pool->core, job, &more);
    } else {
        struct gr_ended ended;
        more.array = gr_pool_ended_find(pool, job, &ended) ? ended.array : 0;
    }
    const uint8_t *bytes;
    size_t size;
    int rc = gr_specs_get(pool->specs, more.array != 0 ? more.array : job, &bytes, &size, err);
    return rc != 0 ? rc : gr_spec_decode(bytes, size, pool->room, ret_spec, err);
}

bool gr_pool_stop(struct gr_pool *pool, uint64_t job, enum gr_stop_why why, uint32_t signal,
                  int64_t grace_ms)
{
    const struct gr_job *row = gr_core_job_find(pool->core, job);
    if (row == NULL) {
        return false;
    }
    struct gr_spec spec = gr_spec_default(); // for one that does not run, or whose spec is gone
    if (row->state == GR_JOB_RUNNING && (signal == 0 || grace_ms < 0)) {
        (void)gr_pool_spec(pool, job, &spec, NULL);
    }
    signal = signal == 0 ? spec.stop_signal : signal;
    grace_ms = grace_ms < 0 ? spec.grace_ms : grace_ms;
    // What the pool takes back it gets back: a submitter's patience counts only for his own stops.
    int64_t most_ms = pool->config.grace_most_ms;
    if (why != GR_STOP_BY_USER && most_ms > 0 && grace_ms > most_ms) {
        grace_ms = most_ms;
    }
    struct gr_event event =
        gr_decide_stop(pool->core, gr_pool_now(pool), job, why, signal, grace_ms);
    gr_pool_fact(pool, &event);
    return true;
}
