// Nodes and devices between holders: what node checks and drivers say, and what follows from it.
// See pool.h and care.h.
#include "base/clock.h"
#include "daemon/care.h"
#include "daemon/notes.h"
#include "daemon/pool.h"
#include "daemon/view.h"
#include "device/health.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A report that waits until its devices were looked after.
struct gr_pool_held {
    struct gr_pool_held *next;
    struct gr_engine_report report;
};

// --- taking nodes and devices out of use

static uint32_t nodes_by_care(const struct gr_pool *pool, uint32_t *ret_total)
{
    const struct gr_place *place = gr_core_place(pool->core);
    uint32_t count = gr_place_node_count(place);
    uint32_t by_care = 0;
    *ret_total = 0;
    for (uint32_t n = 0; n < count; n++) {
        *ret_total += pool->nodes[n].is_here;
        by_care +=
            pool->nodes[n].is_by_care && gr_place_node_get(place, n)->state == GR_NODE_DRAINED;
    }
    return by_care;
}

// Takes a node out of use by itself, unless too many are out by themselves already: a fault in a
// script must not empty the fleet.
static void drain_by_care(struct gr_pool *pool, uint32_t node, const char *why)
{
    uint32_t total;
    uint32_t drained = nodes_by_care(pool, &total);
    const struct gr_node *row = gr_place_node_get(gr_core_place(pool->core), node);
    if (row->state != GR_NODE_UP) {
        return; // somebody took it out already; their reason stands
    }
    if (!gr_drain_allowed(total, drained, pool->config.drain_percent)) {
        snprintf(pool->nodes[node].why, sizeof pool->nodes[node].why,
                 "stays in use, %u node%s out by %s already: %.60s", drained,
                 drained == 1 ? " is" : "s are", drained == 1 ? "itself" : "themselves", why);
        return;
    }
    gr_pool_node_set(pool, node, GR_NODE_DRAINED, false, -1, why);
    pool->nodes[node].is_by_care = true;
    (void)gr_notes_write(pool, NULL);
}

static size_t device_find(const struct gr_pool *pool, const char *address)
{
    size_t at = 0;
    while (at < pool->devices.count && strcmp(pool->devices.devices[at].address, address) != 0) {
        at++;
    }
    return at;
}

static void report_device(struct gr_pool *pool, const struct gr_care_answer *answer,
                          const struct gr_node_checks_device *unwell)
{
    size_t at = device_find(pool, unwell->address);
    if (at == pool->devices.count || unwell->health < pool->reported[at].health) {
        return;
    }
    struct gr_pool_reported *reported = &pool->reported[at];
    int64_t fades_ms = gr_health_fades_ms(unwell->health);
    reported->health = unwell->health;
    reported->when = answer->when;
    reported->until_ms = fades_ms == 0 ? 0 : gr_clock_ms() + fades_ms;
    snprintf(reported->text, sizeof reported->text, "%.90s", unwell->text);
}

// What these scripts said earlier of the devices that they were content with now, if it is of a
// class that fades.
static void report_content(struct gr_pool *pool, const struct gr_care_answer *answer)
{
    for (uint32_t i = 0; i < answer->about_count && answer->has_run && answer->is_well; i++) {
        size_t at = device_find(pool, answer->about[i].address);
        struct gr_pool_reported *reported = &pool->reported[at];
        if (at < pool->devices.count && reported->until_ms != 0 && reported->when == answer->when) {
            reported->health = GR_HEALTH_GOOD;
            reported->until_ms = 0;
        }
    }
}

// A reset takes away what called for it, whoever said it.
static void report_reset(struct gr_pool *pool, const struct gr_care_answer *answer)
{
    for (uint32_t i = 0; i < answer->about_count && answer->is_reset; i++) {
        size_t at = device_find(pool, answer->about[i].address);
        if (at < pool->devices.count) {
            pool->reported[at].is_in_reset = false;
            pool->reported[at].is_reset_no_help = true;
        }
    }
    for (uint32_t i = 0; i < answer->reset_count; i++) {
        size_t at = device_find(pool, answer->resets[i]);
        if (at < pool->devices.count) {
            struct gr_pool_reported *reported = &pool->reported[at];
            reported->is_reset_no_help = false;
            reported->driver =
                reported->driver == GR_HEALTH_RESET ? GR_HEALTH_GOOD : reported->driver;
            if (reported->health <= GR_HEALTH_RESET) {
                reported->health = GR_HEALTH_GOOD;
                reported->until_ms = 0;
            }
        }
    }
}

// What scripts or drivers found of devices is held against them until somebody looked after them,
// or until it fades.
static void report_devices(struct gr_pool *pool, const struct gr_care_answer *answer)
{
    report_content(pool, answer);
    report_reset(pool, answer);
    for (uint32_t i = 0; i < answer->device_count; i++) {
        report_device(pool, answer, &answer->devices[i]);
    }
    gr_pool_devices_apply(pool);
}

// --- visits

static bool is_real(const struct gr_device *devices, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!devices[i].is_pretend) {
            return true;
        }
    }
    return false;
}

// The devices that a job holds here, on the heap; `ret_node` is the first of its nodes.
static struct gr_device *devices_of(struct gr_pool *pool, const struct gr_job *job,
                                    uint32_t *ret_count, uint32_t *ret_node)
{
    uint32_t pieces = gr_core_job_pieces(pool->core, job->id, pool->pieces, job->demand.tasks);
    struct gr_device *devices =
        malloc((pool->devices.count == 0 ? 1 : pool->devices.count) * sizeof *devices);
    *ret_count = 0;
    *ret_node = pool->pieces[0].node;
    for (uint32_t i = 0; i < pieces && devices != NULL; i++) {
        const struct gr_pool_node *node = &pool->nodes[pool->pieces[i].node];
        for (uint32_t d = 0; d < node->device_count; d++) {
            if ((pool->pieces[i].devices >> d & 1u) != 0 && *ret_count < pool->devices.count) {
                devices[(*ret_count)++] = pool->devices.devices[node->device_first + d];
            }
        }
    }
    return devices;
}

// Begins a visit about a job. Returns 1 if it is under way, 0 if there is nothing to do, or -errno.
static int visit_job(struct gr_pool *pool, const struct gr_job *job, enum gr_node_checks_when when,
                     struct gr_err *err)
{
    bool has_scripts = gr_care_has(pool->care, when);
    bool has_devices = job->demand.shape.devices > 0;
    if (!has_scripts && (when != GR_CHECKS_AFTER || !has_devices)) {
        return 0;
    }
    uint32_t count;
    uint32_t node;
    struct gr_device *devices = devices_of(pool, job, &count, &node);
    if (devices == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for node checks");
    }
    int rc = 0;
    struct gr_spec spec;
    bool has_user = has_scripts && gr_pool_spec(pool, job->id, &spec, NULL) == 0;
    bool checks_devices = when == GR_CHECKS_AFTER && is_real(devices, count);
    if (has_scripts || checks_devices) {
        struct gr_care_visit visit = {.when = when,
                                      .node = node,
                                      .name =
                                          gr_place_cold_get(gr_core_place(pool->core), node)->name,
                                      .job = job->id,
                                      .attempt = job->attempt,
                                      .user = has_user ? gr_view_user(spec.uid) : "",
                                      .devices = devices,
                                      .device_count = count,
                                      .checks_devices = checks_devices};
        rc = gr_care_begin(pool->care, &visit, err);
        rc = rc == 0 ? 1 : rc;
    }
    free(devices);
    return rc;
}

static int visit_node(struct gr_pool *pool, uint32_t number, enum gr_node_checks_when when,
                      struct gr_err *err)
{
    const struct gr_pool_node *node = &pool->nodes[number];
    struct gr_care_visit visit = {
        .when = when,
        .node = number,
        .name = gr_place_cold_get(gr_core_place(pool->core), number)->name,
        .user = "",
        .devices = node->device_count == 0 ? NULL : &pool->devices.devices[node->device_first],
        .device_count = node->device_count};
    return gr_care_begin(pool->care, &visit, err);
}

// --- before and after an attempt

int gr_pool_care_before(struct gr_pool *pool, const struct gr_job *job, struct gr_err *err)
{
    if (pool->care == NULL) {
        return 0;
    }
    struct gr_live *live = gr_pool_live_take(pool, job->id);
    if (live == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for node checks");
    }
    if (live->attempt == job->attempt && live->care != GR_LIVE_CARE_NONE) {
        return live->care == GR_LIVE_CARE_DONE ? 0 : 1;
    }
    live->attempt = job->attempt;
    int rc = visit_job(pool, job, GR_CHECKS_BEFORE, err);
    live->care = rc == 0 ? GR_LIVE_CARE_DONE : GR_LIVE_CARE_BEFORE;
    return rc;
}

bool gr_pool_care_holds(const struct gr_pool *pool, uint64_t job)
{
    for (const struct gr_pool_held *held = pool->held; held != NULL; held = held->next) {
        if (held->report.job == job) {
            return true;
        }
    }
    return false;
}

bool gr_pool_care_after(struct gr_pool *pool, const struct gr_job *job,
                        const struct gr_engine_report *report)
{
    if (pool->care == NULL) {
        return false;
    }
    if (gr_pool_care_holds(pool, job->id)) {
        return true; // it was told again while its devices are looked after
    }
    struct gr_err err;
    struct gr_pool_held *held = malloc(sizeof *held);
    int rc = held == NULL ? 0 : visit_job(pool, job, GR_CHECKS_AFTER, &err);
    if (rc <= 0) {
        free(held);
        if (rc < 0) {
            drain_by_care(pool, pool->pieces[0].node, err.text);
        }
        return false;
    }
    *held = (struct gr_pool_held){.next = pool->held, .report = *report};
    pool->held = held;
    return true;
}

static void answer_before(struct gr_pool *pool, const struct gr_care_answer *answer)
{
    const struct gr_job *job = gr_core_job_find(pool->core, answer->job);
    if (job == NULL || job->state != GR_JOB_RUNNING || job->attempt != answer->attempt) {
        return;
    }
    struct gr_live *live = gr_pool_live_take(pool, job->id);
    if (answer->is_well && answer->device_count == 0 && live != NULL) {
        live->care = GR_LIVE_CARE_DONE;
        gr_pool_order_then(pool, GR_POOL_ORDER_START, job->id, job->attempt);
        if (job->stop_why != GR_STOP_NOT) {
            gr_pool_order_then(pool, GR_POOL_ORDER_STOP, job->id, job->attempt);
        }
        return;
    }
    if (!answer->is_well) {
        drain_by_care(pool, answer->node, answer->text);
    }
    gr_pool_end_unfit(pool, job, answer->text[0] == '\0' ? "a device is unwell" : answer->text);
}

static void answer_after(struct gr_pool *pool, const struct gr_care_answer *answer)
{
    if (!answer->is_well) {
        drain_by_care(pool, answer->node, answer->text);
    }
    for (struct gr_pool_held **at = &pool->held; *at != NULL; at = &(*at)->next) {
        struct gr_pool_held *held = *at;
        if (held->report.job == answer->job) {
            *at = held->next;
            gr_pool_end_reported(pool, &held->report);
            free(held);
            return;
        }
    }
}

// A node that was to join or come back.
static void answer_node(struct gr_pool *pool, const struct gr_care_answer *answer)
{
    struct gr_pool_node *node = &pool->nodes[answer->node];
    const struct gr_node *row = gr_place_node_get(gr_core_place(pool->core), answer->node);
    if (row->state != GR_NODE_DRAINED || !node->is_by_care) {
        return; // an operator has taken it meanwhile
    }
    if (answer->is_well) {
        gr_pool_node_set(pool, answer->node, GR_NODE_UP, false, -1, "");
    } else {
        snprintf(node->why, sizeof node->why, "%.127s", answer->text);
        (void)gr_notes_write(pool, NULL);
    }
}

// --- devices that need a reset

// Whether a job has a place on this device of the node.
static bool is_held(struct gr_pool *pool, uint32_t node, uint32_t device)
{
    uint32_t cursor = 0;
    const struct gr_job *job;
    while ((job = gr_core_job_next(pool->core, &cursor)) != NULL) {
        if (job->state != GR_JOB_RUNNING || job->demand.shape.devices == 0) {
            continue;
        }
        uint32_t count = gr_core_job_pieces(pool->core, job->id, pool->pieces, job->demand.tasks);
        for (uint32_t i = 0; i < count; i++) {
            if (pool->pieces[i].node == node && (pool->pieces[i].devices >> device & 1u) != 0) {
                return true;
            }
        }
    }
    return false;
}

static void reset_begin(struct gr_pool *pool, uint32_t number, uint32_t device)
{
    size_t at = pool->nodes[number].device_first + device;
    struct gr_care_visit visit = {.when = GR_CHECKS_RETURN,
                                  .node = number,
                                  .name =
                                      gr_place_cold_get(gr_core_place(pool->core), number)->name,
                                  .user = "",
                                  .devices = &pool->devices.devices[at],
                                  .device_count = 1,
                                  .is_reset = true};
    pool->reported[at].is_in_reset = gr_care_begin(pool->care, &visit, NULL) == 0;
}

// How often devices are looked for that need a reset: all jobs are, if there is one.
#define RESET_LOOK_MS 1000

// Resets what needs it and is held by nobody; what somebody holds gets it after them. What an
// operator has taken out of use is left to them.
static void resets_begin(struct gr_pool *pool)
{
    const struct gr_place *place = gr_core_place(pool->core);
    uint32_t count = gr_place_node_count(place);
    if (gr_clock_ms() < pool->reset_look_ms) {
        return;
    }
    pool->reset_look_ms = gr_clock_ms() + RESET_LOOK_MS;
    for (uint32_t n = 0; n < count; n++) {
        const struct gr_pool_node *node = &pool->nodes[n];
        bool is_operators = gr_place_node_get(place, n)->state != GR_NODE_UP && !node->is_by_care;
        for (uint32_t d = 0; d < node->device_count && node->is_here && !is_operators; d++) {
            const struct gr_pool_reported *reported = &pool->reported[node->device_first + d];
            if (pool->devices.devices[node->device_first + d].health == GR_HEALTH_RESET &&
                !reported->is_in_reset && !reported->is_reset_no_help && !is_held(pool, n, d)) {
                reset_begin(pool, n, d);
            }
        }
    }
}

// --- hearing

void gr_pool_care_run(struct gr_pool *pool)
{
    if (pool->care == NULL) {
        return;
    }
    struct gr_care_answer answer;
    while (gr_care_poll(pool->care, &answer) > 0) {
        report_devices(pool, &answer);
        if (answer.when == GR_CHECKS_BEFORE) {
            answer_before(pool, &answer);
        } else if (answer.when == GR_CHECKS_AFTER) {
            answer_after(pool, &answer);
        } else if (!answer.is_reset) {
            answer_node(pool, &answer);
        }
    }
    struct gr_device_list found;
    if (gr_care_found(pool->care, &found)) {
        gr_pool_devices_take(pool, &found);
    }
    resets_begin(pool);
}

// --- joining and coming back

// Out of use until the scripts have said that it is well.
static void wait_for_checks(struct gr_pool *pool, uint32_t node, enum gr_node_checks_when when)
{
    struct gr_err err;
    gr_pool_node_set(pool, node, GR_NODE_DRAINED, false, -1,
                     "node checks run before it takes work");
    pool->nodes[node].is_by_care = true;
    if (visit_node(pool, node, when, &err) != 0) {
        snprintf(pool->nodes[node].why, sizeof pool->nodes[node].why, "%.127s", err.text);
    }
    (void)gr_notes_write(pool, NULL);
}

void gr_pool_care_begin(struct gr_pool *pool)
{
    const struct gr_place *place = gr_core_place(pool->core);
    uint32_t count = gr_place_node_count(place);
    bool has_scripts = pool->care != NULL && gr_care_has(pool->care, GR_CHECKS_START);
    for (uint32_t n = 0; n < count; n++) {
        const struct gr_node *row = gr_place_node_get(place, n);
        bool is_mine = pool->nodes[n].is_here && row->state != GR_NODE_BROKEN &&
                       (row->state == GR_NODE_UP || pool->nodes[n].is_by_care);
        if (is_mine && has_scripts) {
            wait_for_checks(pool, n, GR_CHECKS_START);
        } else if (is_mine && row->state == GR_NODE_DRAINED) {
            gr_pool_node_set(pool, n, GR_NODE_UP, false, -1, "");
        }
    }
}

void gr_pool_node_return(struct gr_pool *pool, uint32_t node)
{
    const struct gr_pool_node *row = &pool->nodes[node];
    for (uint32_t d = 0; d < row->device_count; d++) {
        struct gr_pool_reported *reported = &pool->reported[row->device_first + d];
        reported->health = GR_HEALTH_GOOD;
        reported->until_ms = 0;
        reported->is_reset_no_help = false;
        if (pool->care != NULL) {
            gr_care_forget(pool->care, pool->devices.devices[row->device_first + d].address);
        }
    }
    gr_pool_devices_apply(pool);
    if (pool->care != NULL && row->is_here && gr_care_has(pool->care, GR_CHECKS_RETURN)) {
        wait_for_checks(pool, node, GR_CHECKS_RETURN);
    } else {
        gr_pool_node_set(pool, node, GR_NODE_UP, false, -1, "");
    }
}

void gr_pool_care_drain(struct gr_pool *pool, uint32_t node, const char *why)
{
    drain_by_care(pool, node, why);
}

void gr_pool_held_free(struct gr_pool *pool)
{
    while (pool->held != NULL) {
        struct gr_pool_held *held = pool->held;
        pool->held = held->next;
        free(held);
    }
}
