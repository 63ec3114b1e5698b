// Shares, quotas and the queue of a declaration: see apply_queue.h. All of it is applied first to a
// core on trial, which holds the pool's organisations, quotas and terms and nothing else, so that
// what is said later in the file, and whether quotas agree with each other, is found out before
// anything is changed.
#include "daemon/apply_queue.h"

#include "base/json.h"
#include "base/number.h"
#include "base/quantity.h"
#include "core/show.h"
#include "daemon/apply_parts.h"
#include "daemon/apply_value.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- what was read

int gr_apply_reading_wrong(struct gr_apply_reading *reading, const char *key, const char *text)
{
    char field[96];
    snprintf(field, sizeof field, "%s%s%s", reading->field,
             reading->field[0] == '\0' || key[0] == '\0' ? "" : ".", key);
    return gr_apply_wrong(reading->fault, field, "%s: %s", field, text);
}

int gr_apply_note(json_t *list, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return gr_json_append(list, gr_json_text(gr_slice_of(text)));
}

int gr_apply_try(struct gr_apply_reading *reading, struct gr_event *event)
{
    struct gr_apply_queue *queue = reading->queue;
    enum gr_refusal refusal = gr_core_check(reading->trial, event);
    if (refusal != GR_REFUSED_NOTHING) {
        return gr_apply_reading_wrong(reading, "", gr_refusal_text(refusal));
    }
    if (event->type != GR_ORG_ADDED) {
        if (queue->count == queue->room) {
            size_t room = 2 * queue->room + 16;
            struct gr_event *facts = realloc(queue->facts, room * sizeof *facts);
            if (facts == NULL) {
                return -ENOMEM;
            }
            queue->facts = facts;
            queue->room = room;
        }
        queue->facts[queue->count++] = *event;
    }
    (void)gr_core_apply(reading->trial, event, NULL);
    return 0;
}

// --- weights and limits

const char *gr_apply_count_text(uint32_t count, char *text)
{
    snprintf(text, GR_NUMBER_TEXT_SIZE, "%u", count);
    return count == 0 ? "none" : text;
}

const char *gr_apply_limit_text(uint64_t milli, char *text)
{
    return gr_apply_amount_text(milli == 0 ? GR_ANY_MILLI : milli, "none", text);
}

// Says what became of terms, one line each.
static int terms_tell(struct gr_apply_reading *reading, const struct gr_org_terms *old,
                      const struct gr_org_terms *now)
{
    const char *name = gr_core_org_get(reading->trial, now->org)->name;
    json_t *changed = reading->queue->changed;
    char a[GR_NUMBER_TEXT_SIZE], b[GR_NUMBER_TEXT_SIZE];
    int rc = 0;
    if (old->weight != now->weight) {
        rc |= gr_apply_note(changed, "organisation %s: weight %u -> %u", name, old->weight,
                            now->weight);
    }
    const struct {
        const char *key;
        uint32_t old, now;
    } counts[] = {{"running", old->running_max, now->running_max},
                  {"user-running", old->user_running_max, now->user_running_max}};
    const struct {
        const char *key;
        uint64_t old, now;
    } amounts[] = {{"devices", old->held_milli_max, now->held_milli_max},
                   {"user-devices", old->user_held_milli_max, now->user_held_milli_max}};
    for (size_t i = 0; i < 2; i++) {
        if (counts[i].old != counts[i].now) {
            rc |= gr_apply_note(changed, "organisation %s: limits.%s %s -> %s", name, counts[i].key,
                                gr_apply_count_text(counts[i].old, a),
                                gr_apply_count_text(counts[i].now, b));
        }
        if (amounts[i].old != amounts[i].now) {
            rc |= gr_apply_note(changed, "organisation %s: limits.%s %s -> %s", name,
                                amounts[i].key, gr_apply_limit_text(amounts[i].old, a),
                                gr_apply_limit_text(amounts[i].now, b));
        }
    }
    if (old->priority_max != now->priority_max) {
        rc |= gr_apply_note(changed, "organisation %s: limits.priority %u -> %u", name,
                            old->priority_max, now->priority_max);
    }
    return rc;
}

static int read_limits(struct gr_apply_reading *reading, const json_t *limits,
                       struct gr_org_terms *terms)
{
    static const char *const keys[] = {"running",      "devices",  "user-running",
                                       "user-devices", "priority", NULL};
    const char *text;
    const char *key = "";
    char field[96];
    uint32_t priority = terms->priority_max;
    const json_t *value[5];
    text = gr_apply_keys(limits, keys, &key, reading->text);
    for (size_t k = 0; k < 5; k++) {
        value[k] = json_object_get(limits, keys[k]);
        if (text != NULL || value[k] == NULL) {
            continue;
        }
        key = keys[k];
        uint32_t *count = k == 0 ? &terms->running_max : &terms->user_running_max;
        uint64_t *milli = k == 1 ? &terms->held_milli_max : &terms->user_held_milli_max;
        text = k == 4 ? gr_apply_count(value[k], 0, GR_PRIORITY_MAX, NULL, &priority, reading->text)
               : k % 2 == 0 ? gr_apply_count(value[k], 1, UINT32_MAX, "none", count, reading->text)
                            : gr_apply_devices(value[k], 1, "none", 0, milli, reading->text);
    }
    terms->priority_max = (uint8_t)priority;
    snprintf(field, sizeof field, "limits%s%s", key[0] == '\0' ? "" : ".", key);
    return text == NULL ? 0 : gr_apply_reading_wrong(reading, field, text);
}

static int read_terms(struct gr_apply_reading *reading, uint32_t org, const json_t *entry)
{
    const json_t *weight = json_object_get(entry, "weight");
    const json_t *limits = json_object_get(entry, "limits");
    struct gr_org_terms old = gr_core_org_terms(reading->trial, org), now = old;
    const char *text = NULL;
    int rc = 0;
    if (weight != NULL) {
        text = gr_apply_count(weight, 1, GR_WEIGHT_MAX, NULL, &now.weight, reading->text);
    }
    rc = text != NULL ? gr_apply_reading_wrong(reading, "weight", text) : 0;
    rc = rc != 0 || limits == NULL ? rc : read_limits(reading, limits, &now);
    if (rc != 0 || (weight == NULL && limits == NULL)) {
        return rc;
    }
    if (memcmp(&old, &now, sizeof old) == 0) {
        reading->queue->unchanged++;
        return 0;
    }
    struct gr_event event =
        gr_decide_fact(reading->trial, gr_pool_now(reading->pool), GR_ORG_TERMS_SET);
    event.org_terms = now;
    rc = gr_apply_try(reading, &event);
    return rc != 0 ? rc : terms_tell(reading, &old, &now) == 0 ? 0 : -ENOMEM;
}

// --- quotas

// The one variant of the pool that a kind means.
int gr_apply_kind(struct gr_apply_reading *reading, const char *kind, uint32_t *ret_variant)
{
    struct gr_pool *pool = reading->pool;
    struct gr_kind found;
    struct gr_err err;
    char text[GR_APPLY_TEXT], list[120] = "";
    uint32_t count = 0, all = gr_core_variant_count(pool->core);
    if (gr_kind_resolve(&pool->catalogue, &pool->kinds, gr_slice_of(kind), &found, &err) != 0) {
        snprintf(text, sizeof text, "%.240s", err.text);
        return gr_apply_reading_wrong(reading, "kind", text);
    }
    for (uint32_t v = 0; v < all; v++) {
        const char *name = gr_core_variant_get(pool->core, v);
        int row = gr_catalogue_find(&pool->catalogue, gr_slice_of(name));
        if (row >= 0 && gr_kind_has(&found, (size_t)row)) {
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", count == 0 ? "" : ", ", name);
            *ret_variant = v;
            count++;
        }
    }
    if (count == 1) {
        return 0;
    }
    if (count == 0) {
        snprintf(text, sizeof text,
                 "no site has accelerators of kind '%.60s'; `granary nodes` "
                 "shows which kinds are here",
                 kind);
    } else {
        snprintf(text, sizeof text, "'%.60s' means %u variants here (%s): a quota is of one", kind,
                 count, list);
    }
    return gr_apply_reading_wrong(reading, "kind", text);
}

static const char *quota_text(const struct gr_quota *quota, bool is_set, char *text, size_t size)
{
    char nominal[GR_NUMBER_TEXT_SIZE], borrow[GR_NUMBER_TEXT_SIZE], lend[GR_NUMBER_TEXT_SIZE];
    snprintf(text, size, "nominal %s, borrow %s, lend %s",
             gr_apply_amount_text(quota->nominal_milli, "any", nominal),
             gr_apply_amount_text(quota->borrow_milli, "any", borrow),
             gr_apply_amount_text(quota->lend_milli, "all", lend));
    return is_set ? text : "none";
}

static bool is_nothing(const struct gr_quota *quota)
{
    return quota->nominal_milli == 0 && quota->borrow_milli == GR_ANY_MILLI &&
           quota->lend_milli == GR_ANY_MILLI;
}

static int quota_set(struct gr_apply_reading *reading, const struct gr_quota *quota)
{
    struct gr_quota old = *quota;
    uint64_t used;
    char was[160], is[160];
    bool had = gr_quota_find(reading->trial, quota->org, quota->variant, &old, &used);
    if (had ? memcmp(&old, quota, sizeof old) == 0 : is_nothing(quota)) {
        reading->queue->unchanged++;
        return 0;
    }
    struct gr_event event =
        gr_decide_fact(reading->trial, gr_pool_now(reading->pool), GR_QUOTA_SET);
    event.quota = *quota;
    int rc = gr_apply_try(reading, &event);
    if (rc != 0) {
        return rc;
    }
    return gr_apply_note(reading->queue->changed, "organisation %s: quota of %s: %s -> %s",
                         gr_core_org_get(reading->trial, quota->org)->name,
                         gr_core_variant_get(reading->trial, quota->variant),
                         quota_text(&old, had, was, sizeof was),
                         quota_text(quota, !is_nothing(quota), is, sizeof is)) == 0
               ? 0
               : -ENOMEM;
}

static int read_quota(struct gr_apply_reading *reading, uint32_t org, const json_t *entry)
{
    static const char *const keys[] = {"kind", "nominal", "borrow", "lend", NULL};
    struct gr_quota quota = {.org = org, .borrow_milli = GR_ANY_MILLI, .lend_milli = GR_ANY_MILLI};
    const char *key;
    const char *text = gr_apply_keys(entry, keys, &key, reading->text);
    if (text != NULL) {
        return gr_apply_reading_wrong(reading, key, text);
    }
    for (size_t k = 0; k < 2; k++) {
        if (json_object_get(entry, keys[k]) == NULL) {
            return gr_apply_reading_wrong(reading, "",
                                          k == 0
                                              ? "a quota lacks its kind"
                                              : "a quota lacks its nominal: how many devices are "
                                                "the organisation's own, maybe 0");
        }
    }
    int rc = gr_apply_kind(reading, gr_apply_text_of(entry, "kind"), &quota.variant);
    uint64_t *const amounts[] = {NULL, &quota.nominal_milli, &quota.borrow_milli,
                                 &quota.lend_milli};
    for (size_t k = 1; rc == 0 && k < 4; k++) {
        const json_t *value = json_object_get(entry, keys[k]);
        text = value == NULL ? NULL
                             : gr_apply_devices(value, 0,
                                                k == 1   ? NULL
                                                : k == 2 ? "any"
                                                         : "all",
                                                GR_ANY_MILLI, amounts[k], reading->text);
        rc = text == NULL ? 0 : gr_apply_reading_wrong(reading, keys[k], text);
    }
    if (rc == 0 && quota.lend_milli != GR_ANY_MILLI && quota.lend_milli > quota.nominal_milli) {
        char lend[GR_NUMBER_TEXT_SIZE], nominal[GR_NUMBER_TEXT_SIZE];
        snprintf(
            reading->text, sizeof reading->text,
            "lend %s is more than nominal %s: nobody lends what is not his own; at most %s, or "
            "all",
            gr_apply_amount_text(quota.lend_milli, "", lend),
            gr_apply_amount_text(quota.nominal_milli, "", nominal), nominal);
        return gr_apply_reading_wrong(reading, "lend", reading->text);
    }
    return rc != 0 ? rc : quota_set(reading, &quota);
}

// Is the variant of an entry that of one before it?
static int check_twice(struct gr_apply_reading *reading, const json_t *list, size_t at)
{
    uint32_t variant, other;
    const char *kind = gr_apply_text_of(json_array_get(list, at), "kind");
    int rc = kind[0] == '\0' ? 0 : gr_apply_kind(reading, kind, &variant);
    for (size_t i = 0; rc == 0 && kind[0] != '\0' && i < at; i++) {
        rc = gr_apply_kind(reading, gr_apply_text_of(json_array_get(list, i), "kind"), &other);
        if (rc == 0 && other == variant) {
            snprintf(reading->text, sizeof reading->text,
                     "%.60s stands here twice; quotas[%zu] is the first", kind, i);
            return gr_apply_reading_wrong(reading, "kind", reading->text);
        }
    }
    return rc;
}

static int read_quotas(struct gr_apply_reading *reading, uint32_t org, const json_t *entry)
{
    const json_t *list = json_object_get(entry, "quotas");
    char before[sizeof reading->field];
    memcpy(before, reading->field, sizeof before);
    if (list != NULL && (!json_is_array(list) || json_array_size(list) > GR_POOL_VARIANTS_MAX)) {
        return gr_apply_reading_wrong(reading, "quotas",
                                      "expected a list of kind, nominal, borrow and lend");
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        snprintf(reading->field, sizeof reading->field, "%.30s.quotas[%zu]", before, i);
        rc = check_twice(reading, list, i);
        rc = rc != 0 ? rc : read_quota(reading, org, json_array_get(list, i));
    }
    memcpy(reading->field, before, sizeof before);
    return rc;
}

// --- the queue

// Says what became of it, one line each.
static int queue_tell(struct gr_apply_reading *reading, const struct gr_queue_terms *old,
                      const struct gr_queue_terms *now)
{
    static const char *const reclaims[] = {"nothing", "borrowed", "priority",
                                           "borrowed and priority"};
    json_t *changed = reading->queue->changed;
    const struct {
        const char *key;
        int64_t old, now;
    } times[] = {{"half-life", old->half_life_ms, now->half_life_ms},
                 {"notice", old->notice_ms, now->notice_ms},
                 {"min-run", old->min_run_ms, now->min_run_ms}};
    char a[GR_QUANTITY_TEXT_SIZE], b[GR_QUANTITY_TEXT_SIZE];
    int rc = 0;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        if (times[i].old != times[i].now) {
            rc |= gr_apply_note(changed, "queue: %s %s -> %s", times[i].key,
                                gr_duration_format(times[i].old, a),
                                gr_duration_format(times[i].now, b));
        }
    }
    if (old->lost_per_hour != now->lost_per_hour) {
        uint64_t was = old->lost_per_hour, is = now->lost_per_hour; // in device-hours
        rc |= gr_apply_note(
            changed, "queue: lost-work-per-hour %s -> %s device-hours",
            gr_apply_amount_text(was == GR_ANY_MILLI ? was : was / UINT64_C(3600000), "any", a),
            gr_apply_amount_text(is == GR_ANY_MILLI ? is : is / UINT64_C(3600000), "any", b));
    }
    if (old->reclaim != now->reclaim) {
        rc |= gr_apply_note(changed, "queue: reclaim %s -> %s", reclaims[old->reclaim & 3],
                            reclaims[now->reclaim & 3]);
    }
    return rc;
}

static int read_queue(struct gr_apply_reading *reading, const json_t *object)
{
    static const char *const keys[] = {"half-life",          "notice",  "min-run",
                                       "lost-work-per-hour", "reclaim", NULL};
    struct gr_queue_terms old = gr_core_queue_terms(reading->trial), now = old;
    int64_t *const times[] = {&now.half_life_ms, &now.notice_ms, &now.min_run_ms};
    const char *key;
    snprintf(reading->field, sizeof reading->field, "queue");
    const char *text = gr_apply_keys(object, keys, &key, reading->text);
    for (size_t k = 0; text == NULL && keys[k] != NULL; k++) {
        const json_t *value = json_object_get(object, keys[k]);
        key = keys[k];
        text = value == NULL ? NULL
               : k < 3       ? gr_apply_duration(value, times[k], reading->text)
               : k == 3      ? gr_apply_lost_work(value, &now.lost_per_hour, reading->text)
                             : gr_apply_reclaim(value, &now.reclaim, reading->text);
    }
    if (text != NULL) {
        return gr_apply_reading_wrong(reading, key, text);
    }
    if (memcmp(&old, &now, sizeof old) == 0) {
        reading->queue->unchanged++;
        return 0;
    }
    struct gr_event event =
        gr_decide_fact(reading->trial, gr_pool_now(reading->pool), GR_QUEUE_TERMS_SET);
    event.queue_terms = now;
    int rc = gr_apply_try(reading, &event);
    return rc != 0 ? rc : queue_tell(reading, &old, &now) == 0 ? 0 : -ENOMEM;
}

// --- all together

// An organisation that is new, as route_apply.c will add it; what is wrong with its other keys is
// told there.
static int add_org(struct gr_apply_reading *reading, const json_t *entry)
{
    const char *name = gr_apply_text_of(entry, "name");
    if (!gr_catalogue_is_name(gr_slice_of(name)) ||
        gr_apply_org_find(reading->trial, name) != UINT32_MAX) {
        return 0;
    }
    struct gr_event event =
        gr_decide_fact(reading->trial, gr_pool_now(reading->pool), GR_ORG_ADDED);
    event.org.parent = gr_apply_org_find(reading->trial, gr_apply_text_of(entry, "parent"));
    event.org.role = GR_ROLE_CUSTOMER;
    memcpy(event.org.name, name, strlen(name));
    return gr_apply_try(reading, &event);
}

static int read_all(struct gr_apply_reading *reading, const json_t *body)
{
    const json_t *list = json_object_get(body, "organisations");
    const json_t *queue = json_object_get(body, "queue");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        snprintf(reading->field, sizeof reading->field, "organisations[%zu]", i);
        rc = add_org(reading, json_array_get(list, i));
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        uint32_t org = gr_apply_org_find(reading->trial, gr_apply_text_of(entry, "name"));
        snprintf(reading->field, sizeof reading->field, "organisations[%zu]", i);
        rc = org == UINT32_MAX ? 0 : read_terms(reading, org, entry);
        rc = rc != 0 || org == UINT32_MAX ? rc : read_quotas(reading, org, entry);
    }
    rc = rc != 0 || queue == NULL ? rc : read_queue(reading, queue);
    rc = rc != 0 ? rc : gr_apply_classes(reading, json_object_get(body, "classes"));
    rc = rc != 0 ? rc : gr_apply_check(reading, list);
    return rc != 0 ? rc : gr_apply_hits(reading);
}

// Does a declaration say anything of shares, quotas or the queue?
static bool says_something(const json_t *body)
{
    const json_t *list = json_object_get(body, "organisations");
    bool any = json_object_get(body, "queue") != NULL || json_object_get(body, "classes") != NULL;
    for (size_t i = 0; !any && i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        any = json_object_get(entry, "weight") != NULL ||
              json_object_get(entry, "limits") != NULL || json_object_get(entry, "quotas") != NULL;
    }
    return any;
}

// --- the core on trial

static struct gr_event trial_fact(const struct gr_core *trial, enum gr_event_type type)
{
    return gr_decide_fact(trial, gr_core_now(trial), type);
}

static void trial_take(struct gr_core *trial, const struct gr_event *event)
{
    enum gr_refusal refusal = gr_core_step(trial, event, NULL, NULL);
    assert(refusal == GR_REFUSED_NOTHING);
    (void)refusal;
}

// Whatever was set for an organisation.
static void trial_org(struct gr_core *trial, const struct gr_core *core, uint32_t org)
{
    struct gr_event event = trial_fact(trial, GR_ORG_TERMS_SET);
    event.org_terms = gr_core_org_terms(core, org);
    trial_take(trial, &event);
    for (uint32_t v = 0; v < gr_core_variant_count(core); v++) {
        uint64_t used;
        event = trial_fact(trial, GR_QUOTA_SET);
        if (gr_quota_find(core, org, v, &event.quota, &used)) {
            trial_take(trial, &event);
        }
    }
}

static int trial_new(const struct gr_pool *pool, struct gr_core **ret_trial)
{
    const struct gr_core *core = pool->core;
    struct gr_core_config config = pool->config.core;
    struct gr_core *trial;
    config.limits.place = (struct gr_place_limits){.nodes = 1, .masks = 1, .slots = 32};
    config.limits.jobs = 1;
    config.limits.pieces = config.limits.arrays = config.limits.edges = config.limits.keys = 0;
    config.limits.users = 0;
    config.limits.queues = config.limits.needs = 1;
    config.touch_jobs = config.touch_pieces = config.touch_nodes = 0;
    config.learn_mix = false;
    if (gr_core_new(&config, &trial, NULL) != 0) {
        return -ENOMEM;
    }
    for (uint32_t o = 0; o < gr_core_org_count(core); o++) {
        struct gr_event event = trial_fact(trial, GR_ORG_ADDED);
        event.org = *gr_core_org_get(core, o);
        trial_take(trial, &event);
    }
    for (uint32_t v = 0; v < gr_core_variant_count(core); v++) {
        struct gr_event event = trial_fact(trial, GR_VARIANT_ADDED);
        memcpy(event.variant, gr_core_variant_get(core, v), GR_NAME_SIZE);
        trial_take(trial, &event);
    }
    for (uint32_t o = 0; o < gr_core_org_count(core); o++) {
        trial_org(trial, core, o);
    }
    const struct gr_class *of;
    for (uint32_t c = 0; (of = gr_core_class_get(core, c)) != NULL; c++) {
        struct gr_event event = trial_fact(trial, GR_CLASS_SET);
        event.job_class = *of;
        trial_take(trial, &event);
    }
    struct gr_event event = trial_fact(trial, GR_QUEUE_TERMS_SET);
    event.queue_terms = gr_core_queue_terms(core);
    trial_take(trial, &event);
    *ret_trial = trial;
    return 0;
}

int gr_apply_queue_new(struct gr_pool *pool, const json_t *body, struct gr_apply_queue **ret_queue,
                       struct gr_apply_fault *ret_fault)
{
    int rc = gr_apply_tree_check(pool->core, json_object_get(body, "organisations"), ret_fault);
    if (rc != 0 || !says_something(body)) {
        *ret_queue = rc == 0 ? NULL : *ret_queue;
        return rc;
    }
    struct gr_apply_queue *queue = calloc(1, sizeof *queue);
    struct gr_apply_reading reading = {.pool = pool, .queue = queue, .fault = ret_fault};
    if (queue == NULL) {
        return -ENOMEM;
    }
    queue->changed = json_array();
    queue->hits = json_array();
    queue->doubts = json_array();
    bool is_good = queue->changed != NULL && queue->hits != NULL && queue->doubts != NULL;
    rc = is_good ? trial_new(pool, &reading.trial) : -ENOMEM;
    rc = rc != 0 ? rc : read_all(&reading, body);
    gr_core_free(reading.trial);
    if (rc != 0) {
        gr_apply_queue_free(queue);
        return rc;
    }
    *ret_queue = queue;
    return 0;
}

int gr_apply_queue_tell(const struct gr_apply_queue *queue, json_t *changed, json_t *reply)
{
    int rc = queue == NULL ? 0 : json_array_extend(changed, queue->changed) == 0 ? 0 : -ENOMEM;
    rc |= gr_json_set(reply, "hits", queue == NULL ? json_array() : json_incref(queue->hits));
    rc |= gr_json_set(reply, "doubts", queue == NULL ? json_array() : json_incref(queue->doubts));
    return rc == 0 ? 0 : -ENOMEM;
}

int64_t gr_apply_queue_unchanged(const struct gr_apply_queue *queue)
{
    return queue == NULL ? 0 : queue->unchanged;
}

void gr_apply_queue_do(const struct gr_apply_queue *queue, struct gr_pool *pool)
{
    for (size_t i = 0; queue != NULL && i < queue->count; i++) {
        const struct gr_event *fact = &queue->facts[i];
        struct gr_event event =
            gr_decide_fact(pool->core, gr_pool_now(pool), (enum gr_event_type)fact->type);
        if (fact->type == GR_QUOTA_SET) {
            event.quota = fact->quota;
        } else if (fact->type == GR_ORG_TERMS_SET) {
            event.org_terms = fact->org_terms;
        } else if (fact->type == GR_CLASS_SET) {
            event.job_class = fact->job_class;
        } else {
            event.queue_terms = fact->queue_terms;
        }
        gr_pool_fact(pool, &event);
    }
}

void gr_apply_queue_free(struct gr_apply_queue *queue)
{
    if (queue != NULL) {
        json_decref(queue->changed);
        json_decref(queue->hits);
        json_decref(queue->doubts);
        free(queue->facts);
        free(queue);
    }
}
